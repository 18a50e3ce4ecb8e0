/** State write-range: a disk of the vault to a disk of the host, for as long as the function has time. */

import { writeRange } from '#lib/restore/write-range.ts';
import { writeRange as contract } from '#lib/workflow/write-range.ts';
import { stepHandler } from './handler.ts';
import { pools } from './pools.ts';
import { systemClock, vaultStore } from './wiring.ts';

export const handler = stepHandler(contract, (environment, { scrubber }) => {
  const ports = { store: vaultStore(environment), pools: pools(environment, scrubber), clock: systemClock };
  return async (disk, time) => ({ ...disk, calls: disk.calls + 1, ...(await writeRange({ ...ports, ...time }, disk)) });
});
