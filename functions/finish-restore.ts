/** State finish-restore: makes the VM of the restored disks, and gives everything its name. */

import { finishRestore } from '#lib/restore/finish-restore.ts';
import { finishRestore as contract } from '#lib/workflow/finish-restore.ts';
import { stepHandler } from './handler.ts';
import { pools } from './pools.ts';
import { systemClock, vaultStore } from './wiring.ts';

export const handler = stepHandler(contract, (environment, { scrubber }) => {
  const ports = { store: vaultStore(environment), pools: pools(environment, scrubber), clock: systemClock };
  return (input, { signal }) => finishRestore({ ...ports, signal }, input);
});
