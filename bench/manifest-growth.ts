/**
 * How large manifests get, what building one takes, and what a random read fetches: a full and 30 increments in which
 * 256 KiB runs change, 90 % of them in a hot tenth of the disk, through the builder that commits use.
 *
 * Usage: bench/manifest-growth.ts [--tib 2] [--increments 30] [--daily-gib <tib x 25>]
 */

import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { type BuiltManifest, buildManifest } from '#lib/backup/manifest-builder.ts';
import { HEAD } from '#lib/format/document.ts';
import { GrainBitmap } from '#lib/format/grain-bitmap.ts';
import { encodeManifest, sha256Of } from '#lib/format/manifest.ts';
import type { DiskPlan, RunPlan } from '#lib/format/plan.ts';
import { OUTCOME_DATA, Outcomes, type Receipt } from '#lib/format/receipt.ts';
import type { ByteRange, ObjectStore } from '#lib/store/object-store.ts';
import {
  GIB,
  GRAIN_BYTES,
  grainsCovering,
  indexAfter,
  MIB,
  parseDiskId,
  parsePackId,
  parseRunId,
  parseSha256,
  parseVmId,
  SECTION_GRAINS,
} from '#lib/units.ts';
import { ManifestReader } from '#lib/vault/manifest-reader.ts';

const TARGETS = { manifestMibAt2Tib: 15, manifestMibAt16Tib: 120, memoryMib: 512, randomReadMib: 2 };
const RUN_GRAINS = 4;
const HOT_SHARE = 0.9;
const SHARD_GRAINS = (4 * GIB) / GRAIN_BYTES;

const { values } = parseArgs({
  options: {
    tib: { type: 'string', default: '2' },
    increments: { type: 'string', default: '30' },
    'daily-gib': { type: 'string' },
  },
});
const tib = Number(values.tib);
const diskBytes = tib * 1024 * GIB;
const grains = grainsCovering(diskBytes);
const dailyGrains = (Number(values['daily-gib'] ?? tib * 25) * GIB) / GRAIN_BYTES;

const disk = parseDiskId('d15c0000-0000-4000-8000-000000000001');
const vm = parseVmId('5e4e0000-0000-4000-8000-000000000001');

// A generator of our own: the same pattern on every machine.
let state = 1n;
function random(): number {
  state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffff_ffff_ffff_ffffn;
  return Number(state >> 11n) / 2 ** 53;
}

function changedGrains(): GrainBitmap {
  const changed = new GrainBitmap(grains);
  const runs = grains / RUN_GRAINS;
  for (let count = 0; count < dailyGrains; ) {
    const place = random() < HOT_SHARE ? Math.floor(random() * runs * 0.1) : Math.floor(random() * runs);
    // Hot runs lie scattered over the disk, not at its beginning: every tenth of neighbouring windows.
    const run = place < runs * 0.1 ? place * 10 : place;
    const first = run * RUN_GRAINS;
    if (changed.has(first)) continue;
    changed.addRun({ first, end: first + RUN_GRAINS });
    count += RUN_GRAINS;
  }
  return changed;
}

function* receiptsOf(run: string, planned: GrainBitmap): Generator<Receipt> {
  let first = 0;
  for (let shard = 0; first < grains; shard++) {
    let end = first;
    let data = 0;
    while (end < grains && data < SHARD_GRAINS) {
      const next = Math.min(end + 4096, grains);
      data += planned.countIn({ first: end, end: next });
      end = next;
    }
    const outcomes = new Outcomes(data);
    for (let position = 0; position < data; position++) outcomes.set(position, OUTCOME_DATA);
    const pack = {
      pack: parsePackId(randomBytes(16).toString('hex')),
      bytes: 2 * GIB,
      crc32: 0xffff_ffff,
      frames: Math.ceil(data / 4),
      indexBytes: data * 19,
      indexSha256: parseSha256(randomBytes(32).toString('hex')),
    };
    yield {
      ...HEAD,
      requires: [],
      run: parseRunId(run),
      disk,
      shard,
      part: 0,
      firstGrain: first,
      endGrain: end,
      data,
      zero: 0,
      unchanged: 0,
      outcomes: outcomes.encode(data),
      pack,
      measured: { nbdBytes: 0, nbdRequests: 0, durationMs: 0 },
    };
    first = end;
  }
}

/** A store that holds one manifest and counts what is fetched of it. */
class OneManifest {
  bytes = Buffer.alloc(0);
  fetchedBytes = 0;

  get store(): ObjectStore {
    const get = async (_key: string, options: { range?: ByteRange } = {}) => {
      const { start, end } = options.range ?? { start: 0, end: this.bytes.length };
      this.fetchedBytes += end - start;
      return this.bytes.subarray(start, end);
    };
    const refuse = (name: string | symbol) => () =>
      Promise.reject(new Error(`${String(name)} is not for this benchmark`));
    return new Proxy({} as ObjectStore, { get: (_, name) => (name === 'get' ? get : refuse(name)) });
  }
}

let peakBytes = 0;
const sample = () => {
  peakBytes = Math.max(peakBytes, process.memoryUsage.rss());
};

const stored = new OneManifest();
let address: DiskPlan['base'];
let built: BuiltManifest | undefined;
for (let seq = 1; seq <= Number(values.increments) + 1; seq++) {
  const run = seq.toString(16).padStart(16, '0');
  const planned = seq === 1 ? new GrainBitmap(grains) : changedGrains();
  if (seq === 1) planned.addRun({ first: 0, end: indexAfter(grains) });
  const receipts = [...receiptsOf(run, planned)];
  const plan = { run: parseRunId(run), vm } as RunPlan;
  const diskPlan = {
    disk,
    diskBytes,
    kind: seq === 1 ? 'full' : 'incremental',
    snapshot: disk,
    snapshotTime: new Date(0),
    changedBlocks: true,
    ...(address === undefined ? {} : { base: address }),
  } as DiskPlan;
  const base = address === undefined ? undefined : await ManifestReader.open(stored.store, address.manifest);
  global.gc?.();
  peakBytes = 0;
  const timer = setInterval(sample, 20);
  const started = process.hrtime.bigint();
  built = await buildManifest({ plan, disk: diskPlan, planned, receipts, base });
  sample();
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  clearInterval(timer);
  const [preamble = Buffer.alloc(0), json = Buffer.alloc(0), ...sections] = encodeManifest(
    built.header,
    built.sections,
  );
  const head = Buffer.concat([preamble, json]);
  stored.bytes = Buffer.concat([head, ...sections]);
  address = {
    seq,
    entrySha256: sha256Of(Buffer.alloc(0)),
    manifest: { key: 'manifest', bytes: stored.bytes.length, headerSha256: sha256Of(head) },
  };
  if (seq === 1 || seq % 10 === 1) {
    process.stdout.write(
      `point ${seq}: ${mib(stored.bytes.length)} MiB, header ${mib(head.length)} MiB, built in ${seconds.toFixed(1)} s, ` +
        `${mib(peakBytes)} MiB resident\n`,
    );
  }
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(2);
}

if (address === undefined) throw new Error('nothing was built');
const largest = Math.max(...(built?.header.sections.map(({ bytes }) => bytes) ?? []));
const section = built?.header.sections.findIndex(({ bytes }) => bytes === largest) ?? 0;
stored.fetchedBytes = 0;
await (await ManifestReader.open(stored.store, address.manifest)).section(section);
const size = Number(mib(stored.bytes.length));
const limit = tib > 2 ? TARGETS.manifestMibAt16Tib : TARGETS.manifestMibAt2Tib;
const read = Number(mib(stored.fetchedBytes));
process.stdout.write(
  `${tib} TiB after ${values.increments} increments of ${(dailyGrains * GRAIN_BYTES) / GIB} GiB:\n` +
    `  manifest ${size} MiB, target ${limit}: ${size <= limit ? 'met' : 'MISSED'}\n` +
    `  memory of the build ${mib(peakBytes)} MiB, target ${TARGETS.memoryMib}: ${peakBytes / MIB <= TARGETS.memoryMib ? 'met' : 'MISSED'}\n` +
    `  largest section ${mib(largest)} MiB of ${Math.ceil(grains / SECTION_GRAINS)}; opened for one read ${read} MiB, ` +
    `target ${TARGETS.randomReadMib}: ${read <= TARGETS.randomReadMib ? 'met' : 'MISSED'}\n`,
);
