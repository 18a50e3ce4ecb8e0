/**
 * How large manifests get, what building one takes, and what a random read fetches: a full and 30 increments in which
 * 256 KiB runs change, 90 % of them in a hot tenth of the disk, through the builder that commits use. Each point is built
 * by a process of its own, as a function would, so that its memory is its own.
 *
 * Usage: bench/manifest-growth.ts [--tib 2] [--increments 30] [--daily-gib <tib x 25>]
 */

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildManifest } from '#lib/backup/manifest-builder.ts';
import { HEAD } from '#lib/format/document.ts';
import { GrainBitmap } from '#lib/format/grain-bitmap.ts';
import { encodeManifest, manifestHeaderEnd, sha256Of } from '#lib/format/manifest.ts';
import type { DiskPlan, RunPlan } from '#lib/format/plan.ts';
import { PlannedGrains } from '#lib/format/planned-grains.ts';
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
    /** Set in the process that builds one point: its number, and the folder with the base's manifest. */
    point: { type: 'string' },
    folder: { type: 'string', default: '' },
  },
});
const tib = Number(values.tib);
const diskBytes = tib * 1024 * GIB;
const grains = grainsCovering(diskBytes);
const dailyGrains = (Number(values['daily-gib'] ?? tib * 25) * GIB) / GRAIN_BYTES;

const disk = parseDiskId('d15c0000-0000-4000-8000-000000000001');
const vm = parseVmId('5e4e0000-0000-4000-8000-000000000001');

// A generator of our own: the same pattern on every machine.
let state = BigInt(values.point ?? 0) + 1n;
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
    // As hard to compress as real ones: the header's size depends on it.
    const pack = {
      pack: parsePackId(randomBytes(16).toString('hex')),
      bytes: Math.ceil(data * GRAIN_BYTES * (0.3 + 0.7 * random())),
      crc32: randomBytes(4).readUInt32LE(),
      frames: Math.ceil(data / 4),
      indexBytes: Math.ceil(data * 18.25) + 32,
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

interface Measured {
  readonly manifestBytes: number;
  readonly headerBytes: number;
  readonly seconds: number;
  readonly residentBytes: number;
  readonly largestSectionBytes: number;
  /** Fetched of the manifest for one random read, and the largest pack index that comes on top. */
  readonly randomReadBytes: number;
  readonly indexBytes: number;
}

await (values.point === undefined ? measureGrowth() : buildPoint(Number(values.point)));

/** Every process passes its manifest on to the next by a file. */
async function measureGrowth(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'manifest-growth-'));
  try {
    const points = Number(values.increments) + 1;
    let residentBytes = 0;
    for (let point = 1; point <= points; point++) {
      const args = [import.meta.filename, ...process.argv.slice(2), '--point', `${point}`, '--folder', folder];
      const measured: Measured = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }));
      residentBytes = Math.max(residentBytes, measured.residentBytes);
      if (point === 1 || point === points || point % 10 === 0) printPoint(point, measured);
      if (point === points) printVerdict({ ...measured, residentBytes });
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function addressOf(manifest: Buffer, seq: number): NonNullable<DiskPlan['base']> {
  const headerSha256 = sha256Of(manifest.subarray(0, manifestHeaderEnd(manifest, 'manifest')));
  const entrySha256 = sha256Of(Buffer.alloc(0));
  return { seq, entrySha256, manifest: { key: 'manifest', bytes: manifest.length, headerSha256 } };
}

async function buildPoint(point: number): Promise<void> {
  const path = join(values.folder, 'manifest');
  const stored = new OneManifest();
  if (point > 1) stored.bytes = await readFile(path);
  const address = point > 1 ? addressOf(stored.bytes, point - 1) : undefined;
  const run = point.toString(16).padStart(16, '0');
  const planned = point === 1 ? new GrainBitmap(grains) : changedGrains();
  if (point === 1) planned.addRun({ first: 0, end: indexAfter(grains) });
  const receipts = [...receiptsOf(run, planned)];
  const plan = { run: parseRunId(run), vm } as RunPlan;
  const diskPlan = {
    disk,
    diskBytes,
    kind: point === 1 ? 'full' : 'incremental',
    snapshot: disk,
    snapshotTime: new Date(0),
    changedBlocks: true,
    ...(address === undefined ? {} : { base: address }),
  } as DiskPlan;
  const base = address === undefined ? undefined : await ManifestReader.open(stored.store, address.manifest);
  const started = process.hrtime.bigint();
  const built = await buildManifest({ plan, disk: diskPlan, planned: new PlannedGrains(planned), receipts, base });
  stored.bytes = Buffer.concat(encodeManifest(built.header, built.sections));
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  await writeFile(path, stored.bytes);
  const sizes = built.header.sections.map(({ bytes }) => bytes);
  const largestSectionBytes = Math.max(...sizes);
  stored.fetchedBytes = 0;
  const reader = await ManifestReader.open(stored.store, addressOf(stored.bytes, point).manifest);
  await reader.section(sizes.indexOf(largestSectionBytes));
  const measured: Measured = {
    manifestBytes: stored.bytes.length,
    headerBytes: manifestHeaderEnd(stored.bytes, 'manifest'),
    seconds,
    // The most that the process ever held, in KiB, as the kernel counted it.
    residentBytes: process.resourceUsage().maxRSS * 1024,
    largestSectionBytes,
    randomReadBytes: stored.fetchedBytes,
    indexBytes: reader.header.packs.reduce((most, pack) => Math.max(most, pack.indexBytes), 0),
  };
  process.stdout.write(JSON.stringify(measured));
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(2);
}

function printPoint(point: number, { manifestBytes, headerBytes, seconds, residentBytes }: Measured): void {
  process.stdout.write(
    `point ${point}: ${mib(manifestBytes)} MiB, header ${mib(headerBytes)} MiB, built in ${seconds.toFixed(1)} s, ` +
      `${mib(residentBytes)} MiB resident at most\n`,
  );
}

function printVerdict(measured: Measured): void {
  const { manifestBytes, residentBytes, largestSectionBytes, randomReadBytes, indexBytes } = measured;
  const line = (what: string, bytes: number, limitMib: number) =>
    `  ${what} ${mib(bytes)} MiB, target ${limitMib}: ${bytes <= limitMib * MIB ? 'met' : 'MISSED'}\n`;
  const gib = (dailyGrains * GRAIN_BYTES) / GIB;
  process.stdout.write(
    `${tib} TiB after ${values.increments} increments of ${gib} GiB:\n` +
      line('manifest', manifestBytes, tib > 2 ? TARGETS.manifestMibAt16Tib : TARGETS.manifestMibAt2Tib) +
      line('memory of the largest build', residentBytes, TARGETS.memoryMib) +
      line('fetched for one random read', randomReadBytes + indexBytes, TARGETS.randomReadMib) +
      `  of which header and section ${mib(randomReadBytes)}, the largest pack index ${mib(indexBytes)}; the frame comes on top\n` +
      `  largest of ${Math.ceil(grains / SECTION_GRAINS)} sections ${mib(largestSectionBytes)} MiB\n`,
  );
}
