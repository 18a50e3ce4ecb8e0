/** State split-extents: changed grains of all disks -> shards of equal work, if the budget allows them to be read. */

import { recordCall } from '#lib/backup/call-records.ts';
import { splitExtents } from '#lib/backup/split-extents.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { parseRunId } from '#lib/units.ts';
import { splitExtents as contract } from '#lib/workflow/split-extents.ts';
import { stepHandler } from './handler.ts';
import { randomness, systemClock, vaultStore } from './wiring.ts';

export const handler = stepHandler(contract, (environment, { measure }) => {
  const ports = {
    store: vaultStore(environment),
    clock: systemClock,
    random: randomness,
    onBudgetPassed: () => measure({ BudgetPassed: 1 }),
  };
  return async ({ runId, request }) => {
    const run = parseRunId(runId);
    const call = { run, step: contract, stage: 'before-point' } as const;
    const split = await recordCall(ports, call, () => splitExtents(ports, run, request.budget));
    return {
      runId,
      ...split,
      // The distributed map reads and writes the bucket itself and knows nothing of the vault's prefix.
      shardsKey: `${environment.VAULT_PREFIX}${vaultKeys.shards(run)}`,
      resultsPrefix: `${environment.VAULT_PREFIX}${vaultKeys.results(run)}`.replace(/\/$/, ''),
    };
  };
});
