/** State split-extents: changed grains of all disks -> shards of equal work. */

import { splitExtents } from '#lib/backup/split-extents.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { parseRunId } from '#lib/units.ts';
import { splitExtents as contract } from '#lib/workflow/split-extents.ts';
import { stepHandler } from './handler.ts';
import { vaultStore } from './wiring.ts';

export const handler = stepHandler(contract, (environment) => {
  const store = vaultStore(environment);
  return async ({ runId }) => {
    const run = parseRunId(runId);
    const { shards, plannedBytes, readers } = await splitExtents({ store }, run);
    return {
      runId,
      shards,
      plannedBytes,
      readers,
      // The distributed map reads and writes the bucket itself and knows nothing of the vault's prefix.
      shardsKey: `${environment.VAULT_PREFIX}${vaultKeys.shards(run)}`,
      resultsPrefix: `${environment.VAULT_PREFIX}${vaultKeys.results(run)}`.replace(/\/$/, ''),
    };
  };
});
