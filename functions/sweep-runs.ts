/** State sweep-runs: takes away what runs that died have left on the pools and in the vault. */

import { stepFunctionsExecutions } from '#lib/executions/step-functions.ts';
import { sweep } from '#lib/host/sweep.ts';
import { planSweep } from '#lib/host/sweep-plan.ts';
import { sweepRuns as contract } from '#lib/workflow/sweep-runs.ts';
import { stepHandler } from './handler.ts';
import { pools } from './pools.ts';
import { systemClock, vaultStore } from './wiring.ts';

export const handler = stepHandler(contract, (environment, { scrubber, measure }) => {
  const ports = {
    store: vaultStore(environment),
    pools: pools(environment, scrubber),
    executions: stepFunctionsExecutions(),
    clock: systemClock,
  };
  return async (_input, { signal }) => {
    const plan = await planSweep({ ...ports, signal });
    const { removed, left } = await sweep({ ...ports, signal }, plan);
    measure({ SweptObjects: removed.length, LeftOnHost: left.length });
    return { removed: removed.length, left: left.length };
  };
});
