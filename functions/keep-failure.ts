/** State keep-failure: the first failure of a run's readers, so that the run can end with it. */

import { keepFirstFailure } from '#lib/observe/first-failure.ts';
import { parseRunId } from '#lib/units.ts';
import { keepFailure as contract } from '#lib/workflow/keep-failure.ts';
import { stepHandler } from './handler.ts';
import { vaultStore } from './wiring.ts';

export const handler = stepHandler(contract, (environment) => {
  const store = vaultStore(environment);
  return ({ runId, ...failure }) => keepFirstFailure(store, parseRunId(runId), failure);
});
