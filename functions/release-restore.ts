/** State release-restore: removes what an unfinished restore has made on the pool. */

import { releaseRestore } from '#lib/restore/release-restore.ts';
import { releaseRestore as contract } from '#lib/workflow/release-restore.ts';
import { stepHandler } from './handler.ts';
import { pools } from './pools.ts';
import { systemClock } from './wiring.ts';

export const handler = stepHandler(contract, (environment, { scrubber }) => {
  const ports = { pools: pools(environment, scrubber), clock: systemClock };
  return (input, { signal }) => releaseRestore({ ...ports, signal }, input);
});
