/** State release-host: takes everything off the host again, on success and on failure alike. */

import { recordIfFailed } from '#lib/backup/call-records.ts';
import { closePoint } from '#lib/backup/close-point.ts';
import { releaseHost } from '#lib/backup/release-host.ts';
import { runIdOf } from '#lib/backup/run-id.ts';
import { releaseHost as contract } from '#lib/workflow/release-host.ts';
import { stepHandler } from './handler.ts';
import { pools } from './pools.ts';
import { randomness, systemClock, vaultStore } from './wiring.ts';

export const handler = stepHandler(contract, (environment, { scrubber, measure }) => {
  const store = vaultStore(environment);
  const ports = { store, pools: pools(environment, scrubber), clock: systemClock, random: randomness };
  return (input, { signal }) => {
    const run = runIdOf(input.execution);
    return recordIfFailed(ports, { run, step: contract, stage: 'after-point' }, async (meter) => {
      const answer = await releaseHost({ ...ports, signal }, input);
      if (answer.released) await closePoint(store, meter, run);
      else await meter.leaveRecord({ answered: true });
      if (answer.released) measure({ LeftOnHost: answer.left });
      return answer;
    });
  };
});
