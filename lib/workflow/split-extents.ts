/** split-extents: changed grains of all disks -> shards of equal work, one line each in shards.jsonl. */

import * as z from 'zod/mini';
import { VaultCorruption, VaultUnavailable } from '#lib/store/failures.ts';
import { backupInput, HOST_CONNECTION_LIMIT } from './backup-input.ts';
import { count, runId, step, vaultEnvironment } from './contract.ts';

export const splitExtents = step({
  name: 'split-extents',
  input: z.strictObject({ runId, request: backupInput }),
  output: z.strictObject({
    runId,
    /** None when nothing changed: the point is committed without any reader. */
    shards: count,
    /** Key of shards.jsonl in the vault's bucket, prefix included: the distributed map reads it. */
    shardsKey: z.string(),
    /** Where the distributed map writes the readers' results, prefix included, without a slash at its end. */
    resultsPrefix: z.string(),
    readers: z.number().check(z.int(), z.gte(1), z.lte(HOST_CONNECTION_LIMIT)),
    plannedBytes: count,
    /** What to tell people when the run passes its budget and goes on; otherwise empty. */
    budgetPassed: z.string(),
  }),
  environment: z.object(vaultEnvironment),
  transient: [VaultUnavailable, VaultCorruption],
  occupied: [],
  timeoutSeconds: 300,
  memoryMib: 1024,
});
