/** State commit-point: receipts -> coverage check -> manifests -> ledger -> the VM's restore point. */

import { commitPoint } from '#lib/backup/commit-point.ts';
import { parseRunId } from '#lib/units.ts';
import { commitPoint as contract } from '#lib/workflow/commit-point.ts';
import { stepHandler } from './handler.ts';
import { systemClock, vaultStore } from './wiring.ts';

export const handler = stepHandler(contract, (environment) => {
  const store = vaultStore(environment);
  return async ({ runId }) => {
    const { outcome, point, storedBytes } = await commitPoint({ store, clock: systemClock }, parseRunId(runId));
    return { runId, outcome, point, storedBytes };
  };
});
