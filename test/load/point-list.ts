/** `blockferry list`, the command itself, on a vault of many points. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Secret } from '#lib/secret.ts';
import { s3Store } from '#lib/store/s3.ts';
import { MIB } from '#lib/units.ts';
import { startS3Server } from '#local/s3/server.ts';
import { encodePoint, keyOf, pointOf } from '../report/point-fixture.ts';

const POINTS_OF_A_VM = 20;
const DAY_MS = 86_400_000;
const NEWEST = new Date('2026-11-21T12:00:00Z');
const COMMAND = join(import.meta.dirname, '../../cli/blockferry.ts');
/** Node with the SDK and the commands loaded takes 200 of them, documents of 1,000 points and what was parsed of them another 70. */
const PEAK_MIB = 320;
/** The point, and the closing beside it, which has what the run took after its point. */
const GETS_OF_A_POINT = 2;
/** What is known of each disk's verification; one listing of all points comes besides. */
const LISTINGS_OF_A_VM = 1;
const PAGE_KEYS = 1_000;
const PUTS_AT_ONCE = 16;

export interface ListFigures {
  readonly points: number;
  readonly seconds: number;
  readonly peakMib: number;
  readonly requests: number;
}

/** Throws when a point is missing in the list, or it took more memory or requests than a constant for each point. */
export async function playList(points: number): Promise<ListFigures> {
  await using s3 = await startS3Server({ buckets: ['vault'] });
  const { accessKeyId, secretAccessKey } = s3.credentials;
  using store = s3Store({
    bucket: 'vault',
    endpoint: s3.endpoint,
    credentials: { accessKeyId, secretAccessKey: new Secret(secretAccessKey) },
  });
  const all = Array.from({ length: points }, (_, index) => pointNumber(index));
  for (let at = 0; at < points; at += PUTS_AT_ONCE) {
    const some = all.slice(at, at + PUTS_AT_ONCE);
    await Promise.all(some.map((point) => store.put(`site/${keyOf(point)}`, encodePoint(point))));
  }
  s3.counters.reset();
  const startedMs = performance.now();
  const { stdout, stderr } = await promisify(execFile)(
    'time',
    ['-f', '%M', process.execPath, COMMAND, 'list', '--vault', 's3://vault/site', '--endpoint', s3.endpoint],
    {
      maxBuffer: 16 * MIB,
      env: { ...process.env, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
    },
  );
  const seconds = (performance.now() - startedMs) / 1000;
  for (const point of all) assert.ok(stdout.includes(`-${point.run}`), `${point.run} is not in the list`);
  const peakMib = Number(stderr.trim().split('\n').at(-1)) / 1024;
  const { requests } = s3.counters.total();
  const disks = Math.ceil(points / POINTS_OF_A_VM);
  const listings = disks * LISTINGS_OF_A_VM + Math.ceil(points / PAGE_KEYS) + 1;
  assert.ok(requests <= points * GETS_OF_A_POINT + listings, `${requests} requests`);
  assert.ok(peakMib < PEAK_MIB, `${peakMib} MiB`);
  return { points, seconds, peakMib, requests };
}

function pointNumber(index: number) {
  const seq = 1 + (index % POINTS_OF_A_VM);
  return pointOf({
    vmName: `machine-${Math.floor(index / POINTS_OF_A_VM)}`,
    seq,
    kind: seq === 1 ? 'full' : 'incremental',
    time: new Date(NEWEST.getTime() - (POINTS_OF_A_VM - seq) * DAY_MS),
    dataGrains: 100 + index,
    storedBytes: 3_000_000 + index,
  });
}
