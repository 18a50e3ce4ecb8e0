/**
 * The whole reader as the deployed function runs it, in a process of its own.
 * Usage: read-shard.ts '{"endpoint":...,"bucket":...,"shard":{...}}'
 */

import { randomBytes } from 'node:crypto';
import { readShard } from '#lib/backup/read-shard.ts';
import type { Shard } from '#lib/format/plan.ts';
import { connectNbd } from '#lib/nbd/connect.ts';
import { s3Store } from '#lib/store/s3.ts';
import { systemClock } from '#local/states/system-clock.ts';
import { report } from './spent.ts';

export interface ReadShardInput {
  readonly bucket: string;
  readonly endpoint: string;
  readonly shard: Shard;
}

const READER_LIMIT_MS = 900_000;
const { bucket, endpoint, shard }: ReadShardInput = JSON.parse(process.argv[2] ?? '');

void report(async () => {
  using store = s3Store({ bucket, endpoint });
  const ports = {
    store,
    connect: connectNbd,
    clock: systemClock,
    random: randomBytes,
    deadline: new Date(Date.now() + READER_LIMIT_MS),
    signal: new AbortController().signal,
  };
  const { done, parts } = await readShard(ports, shard);
  const { puts, gets, sentBytes } = store.tally?.counts ?? { puts: 0, gets: 0, sentBytes: 0 };
  return { done, parts, puts, gets, bytes: sentBytes };
});
