/** read-shard: one shard from the host's NBD server into packs of the vault; called again until it is done. */

import * as z from 'zod/mini';
import { ExportRefused, HostBusy, NbdConnectionLost, NbdReadFailed } from '#lib/nbd/failures.ts';
import { UploadLost, VaultCorruption, VaultUnavailable } from '#lib/store/failures.ts';
import { count, runId, step, uuid, vaultEnvironment } from './contract.ts';

/**
 * How often one shard may be handed on to a next call. Every call that ends with work left has written a receipt, so
 * receipts count calls. A shard is at most 4 GiB: 64 calls of 14 minutes would read it at 80 KiB/s, and whatever is
 * slower than that is not a link.
 */
export const MAX_SHARD_PARTS = 64;

/**
 * One line of shards.jsonl: the grains of `disk` in [firstGrain, endGrain) that a pass plans. Other fields are ignored, so that an
 * answer with work left is the next call's input as it is.
 */
export const shardItem = z.object({
  runId,
  shard: count,
  disk: uuid,
  /** Absent in shards of what changed. */
  pass: z.optional(z.literal('rewritten')),
  firstGrain: count,
  endGrain: count,
  plannedGrains: count,
});

export const readShard = step({
  name: 'read-shard',
  input: shardItem,
  output: z.strictObject({
    ...shardItem.shape,
    /** False when the function's time was used up before the shard was: call again with this very answer. */
    done: z.boolean(),
    /** Receipts written so far for this shard, over all calls. */
    parts: count,
  }),
  environment: z.object(vaultEnvironment),
  transient: [NbdConnectionLost, ExportRefused, NbdReadFailed, VaultUnavailable, VaultCorruption, UploadLost],
  occupied: [HostBusy],
  timeoutSeconds: 900,
  memoryMib: 1024,
});
