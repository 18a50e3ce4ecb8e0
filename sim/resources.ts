/** The HTTP handlers beside the RPC endpoints: verb and path -> handler. */

import { controlWrite } from './control-calls.ts';
import type { World } from './world.ts';
import type { ResourceHandler } from './xapi-server.ts';

export function resourceHandlers(world: World): ReadonlyMap<string, ResourceHandler> {
  return new Map<string, ResourceHandler>([['PUT /simulator/write', (request) => controlWrite(world, request)]]);
}
