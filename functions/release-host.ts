/** State release-host: takes everything off the host again, on success and on failure alike. */

import { releaseHost } from '#lib/backup/release-host.ts';
import { releaseHost as contract } from '#lib/workflow/release-host.ts';
import { stepHandler } from './handler.ts';
import { pools } from './pools.ts';
import { systemClock, vaultStore } from './wiring.ts';

export const handler = stepHandler(contract, (environment, { scrubber, measure }) => {
  const ports = {
    store: vaultStore(environment),
    pools: pools(environment, scrubber),
    clock: systemClock,
  };
  return async (input, { signal }) => {
    const answer = await releaseHost({ ...ports, signal }, input);
    if (answer.released) measure({ LeftOnHost: answer.left });
    return answer;
  };
});
