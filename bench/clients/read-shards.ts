/**
 * The whole reader as the deployed function runs it, shard by shard, in a process of its own; answers with what its receipts
 * say. Usage: read-shards.ts '{"endpoint":...,"bucket":...,"shards":[...]}'
 */

import { randomBytes } from 'node:crypto';
import { collectRarely } from '#lib/backup/rare-collections.ts';
import { readShard } from '#lib/backup/read-shard.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { Shard } from '#lib/format/plan.ts';
import { connectNbd } from '#lib/nbd/connect.ts';
import { s3Store } from '#lib/store/s3.ts';
import { GRAIN_BYTES, parseRunId } from '#lib/units.ts';
import { readReceipt } from '#lib/vault/run-documents.ts';
import { systemClock } from '#local/states/system-clock.ts';
import { report, type Spent } from './spent.ts';

interface ReadShardsInput {
  readonly bucket: string;
  readonly endpoint: string;
  readonly shards: readonly Shard[];
}

export interface ShardsReport extends Spent {
  readonly nbdBytes: number;
  readonly nbdRequests: number;
  /** Of the grains that were stored, before compression. */
  readonly contentBytes: number;
  readonly requests: number;
  readonly sentBytes: number;
  readonly receiptBytes: number;
}

const READER_LIMIT_MS = 900_000;
const { bucket, endpoint, shards }: ReadShardsInput = JSON.parse(process.argv[2] ?? '');

collectRarely();
void report(async () => {
  using store = s3Store({ bucket, endpoint });
  const facts = { nbdBytes: 0, nbdRequests: 0, contentBytes: 0, receiptBytes: 0 };
  const before = store.tally?.counts;
  for (const shard of shards) {
    const deadline = new Date(Date.now() + READER_LIMIT_MS);
    const signal = new AbortController().signal;
    const clients = { store, connect: connectNbd, clock: systemClock, random: randomBytes };
    await readShard({ ...clients, deadline, signal }, shard);
  }
  const asked = before && store.tally?.since(before);
  for (const { runId, shard } of shards) {
    const run = parseRunId(runId);
    const { measured, data } = await readReceipt(store, run, { shard, part: 0 });
    facts.nbdBytes += measured.nbdBytes;
    facts.nbdRequests += measured.nbdRequests;
    facts.contentBytes += data * GRAIN_BYTES;
    facts.receiptBytes += (await store.head(vaultKeys.receipt(run, { shard, part: 0 })))?.bytes ?? 0;
  }
  return { ...facts, requests: (asked?.puts ?? 0) + (asked?.gets ?? 0), sentBytes: asked?.sentBytes ?? 0 };
});
