/** State plan-restore: examines point and pool, and makes the empty disks of a restore. */

import { planRestore } from '#lib/restore/plan-restore.ts';
import { planRestore as contract } from '#lib/workflow/plan-restore.ts';
import { stepHandler } from './handler.ts';
import { pools } from './pools.ts';
import { systemClock, vaultStore } from './wiring.ts';

export const handler = stepHandler(contract, (environment, { scrubber }) => {
  const ports = { store: vaultStore(environment), pools: pools(environment, scrubber), clock: systemClock };
  return (input, { signal }) => planRestore({ ...ports, signal }, input);
});
