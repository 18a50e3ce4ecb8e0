/** The measured process of bench/reader.ts: reads one shard as the deployed function does, then says what it took. */

import { randomBytes } from 'node:crypto';
import { readShard } from '#lib/backup/read-shard.ts';
import type { Shard } from '#lib/format/plan.ts';
import { connectNbd } from '#lib/nbd/connect.ts';
import { s3Store } from '#lib/store/s3.ts';
import { systemClock } from '#local/states/system-clock.ts';

const [endpoint = '', bucket = '', item = ''] = process.argv.slice(2);
const shard: Shard = JSON.parse(item);
using store = s3Store({ bucket, endpoint });
const started = { cpu: process.cpuUsage(), ms: performance.now() };
await readShard(
  {
    store,
    connect: connectNbd,
    clock: systemClock,
    random: randomBytes,
    deadline: new Date(Date.now() + 900_000),
    signal: new AbortController().signal,
  },
  shard,
);
const { user, system } = process.cpuUsage(started.cpu);
const seconds = (performance.now() - started.ms) / 1000;
const { maxRSS } = process.resourceUsage();
process.stdout.write(
  `${JSON.stringify({ cpuSeconds: (user + system) / 1e6, seconds, peakMib: Math.round(maxRSS / 1024) })}\n`,
);
