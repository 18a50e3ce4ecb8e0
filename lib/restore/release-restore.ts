/** The use case of the state release-restore: nothing of an unfinished restore stays on the pool. */

import { removeIncomplete } from './restored-objects.ts';
import { openAccess, type PoolPorts, type RestoreRequest, restoreIdOf } from './workflow-ports.ts';

/** Waits for a transfer that is still under way; throws VdiInUse when that takes longer than one step has. */
export async function releaseRestore(ports: PoolPorts, input: RestoreRequest) {
  const id = restoreIdOf(input);
  await using access = await openAccess(ports, input.request.pool);
  return { runId: id, removed: await removeIncomplete(access, id) };
}
