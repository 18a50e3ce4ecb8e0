/** The HTTP handlers beside the RPC endpoints: verb and path -> handler. */

import type { ResourceHandler } from '#sim/wire/xapi-server.ts';
import type { World } from '#sim/world.ts';
import { controlWrite } from './control-calls.ts';
import { exportRawVdi } from './export-raw-vdi.ts';
import { importRawVdi } from './import-raw-vdi.ts';
import { exportMetadata, importMetadata } from './vm-metadata.ts';

export function resourceHandlers(world: World): ReadonlyMap<string, ResourceHandler> {
  return new Map<string, ResourceHandler>([
    ['GET /export_raw_vdi', (request, host) => exportRawVdi(world, request, host)],
    ['PUT /import_raw_vdi', (request, host) => importRawVdi(world, request, host)],
    ['GET /export_metadata', (request, host) => exportMetadata(world, request, host)],
    ['PUT /import_metadata', (request, host) => importMetadata(world, request, host)],
    ['PUT /simulator/write', (request) => controlWrite(world, request)],
  ]);
}
