/** One disk and a vault in memory, backed up from arrays by the real steps, without host and without simulator. */

import { commitPoint } from '#lib/backup/commit-point.ts';
import { writeConnection } from '#lib/backup/connection-document.ts';
import { readShard } from '#lib/backup/read-shard.ts';
import type { Rewrites } from '#lib/backup/rewrites.ts';
import { SHARD_ALIGN_GRAINS } from '#lib/backup/shards.ts';
import { encodeDocument, HEAD } from '#lib/format/document.ts';
import { GrainBitmap } from '#lib/format/grain-bitmap.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { sha256Of } from '#lib/format/manifest.ts';
import type { RunPlan } from '#lib/format/plan.ts';
import { PASSES, PlannedGrains } from '#lib/format/planned-grains.ts';
import { Secret } from '#lib/secret.ts';
import type { Signer } from '#lib/signing/signer.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import {
  type DiskId,
  GRAIN_BYTES,
  grainsCovering,
  indexAfter,
  parseDiskId,
  parseRunId,
  parseVmId,
  type RunId,
} from '#lib/units.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { readHead } from '#lib/vault/ledger.ts';
import { MemoryBucket } from './memory-store.ts';
import { seededRandom } from './random.ts';
import type { StoreFaults } from './store-faults.ts';

const EXPORT = {
  address: '127.0.0.1',
  port: 10809,
  exportName: new Secret('x'),
  security: { kind: 'insecure' },
} as const;
const FIRST = { because: 'first-backup', cure: 'Nothing to do: every disk begins with a full.' };
const FAR_MS = 3_600_000;

export interface LoneDiskSettings {
  readonly bucket?: MemoryBucket;
  readonly disk?: DiskId;
  readonly seed?: number;
  readonly start?: Date;
  readonly faults?: StoreFaults;
  readonly lock?: RunPlan['lock'];
  readonly signer?: Signer;
  /** What the host says of the VM, kept with every point. */
  readonly metadata?: Buffer;
}

/** How a run is cut: which grains are planned as changed, what is written anew, how large shards are. */
export interface RunShape {
  readonly planned: GrainBitmap;
  readonly rewrites: Rewrites | undefined;
  readonly shardGrains: number;
}

export class LoneDisk {
  readonly disk: DiskId;
  readonly vm = parseVmId('5e4e0000-0000-4000-8000-00000000000a');
  readonly bucket: MemoryBucket;
  readonly store: ObjectStore;
  readonly #random: () => number;
  readonly #settings: LoneDiskSettings;
  nowMs: number;
  /** What was backed up, by number of the point. */
  readonly contents: Buffer[] = [];
  /** Bytes that all runs read from the disk. */
  readBytes = 0;

  constructor(settings: LoneDiskSettings = {}) {
    const { bucket, disk, faults, seed = 1, start = new Date('2026-01-05T12:00:00Z') } = settings;
    this.#settings = settings;
    this.disk = disk ?? parseDiskId('d15c0000-0000-4000-8000-00000000000a');
    this.nowMs = start.getTime();
    this.bucket = bucket ?? new MemoryBucket({ now: () => new Date(this.nowMs) });
    this.store = this.bucket.store(faults);
    this.#random = seededRandom(seed);
  }

  get now(): Date {
    return new Date(this.nowMs);
  }

  readonly clock = { now: () => this.now, sleep: () => Promise.resolve() };
  readonly randomBytes = (count: number) => Buffer.from(Array.from({ length: count }, () => this.#random() * 256));

  /** Backs the content up as the next point; only grains that differ from the last point are planned, unless given. */
  async backUp(content: Buffer, how: Partial<RunShape> = {}): Promise<RunId> {
    const run = parseRunId(this.randomBytes(8).toString('hex'));
    const planned = how.planned ?? changedGrains(this.contents.at(-1), content);
    const shape = { planned, rewrites: how.rewrites, shardGrains: how.shardGrains ?? SHARD_ALIGN_GRAINS };
    await this.carryOut(run, content, shape);
    this.contents.push(content);
    return run;
  }

  /** All steps of a run; those that were done before are repeated, as a workflow repeats them. */
  async carryOut(run: RunId, content: Buffer, shape: RunShape): Promise<void> {
    await this.plan(run, content, shape);
    await this.read(run, content, shape);
    const { signer } = this.#settings;
    await commitPoint({ store: this.store, clock: this.clock, ...(signer && { signer }) }, run);
  }

  async plan(run: RunId, content: Buffer, { planned: changed, rewrites }: RunShape): Promise<void> {
    const planned = new PlannedGrains(changed, rewrites?.grains);
    const head = await readHead(this.store, this.disk);
    const { metadata } = this.#settings;
    const metadataKey = vaultKeys.vmMetadata(this.vm, run);
    if (metadata !== undefined) await this.store.putIfAbsent(metadataKey, metadata);
    const base = head && { seq: head.entry.seq, entrySha256: head.sha256, manifest: head.entry.manifest };
    const plan: RunPlan = {
      ...HEAD,
      requires: [],
      run,
      vm: this.vm,
      vmName: 'alone',
      pool: 'none',
      execution: run,
      started: this.now,
      readers: 1,
      ...(this.#settings.lock && { lock: this.#settings.lock }),
      ...(metadata && { metadataKey }),
      disks: [
        {
          disk: this.disk,
          name: 'root',
          device: '0',
          bootable: true,
          diskBytes: content.length,
          snapshot: this.disk,
          snapshotTime: this.now,
          sr: 'none',
          changedBlocks: true,
          ...(base === undefined ? { kind: 'full', full: FIRST } : { kind: 'incremental', base }),
          plannedGrains: planned.count(),
          bitmapSha256: sha256Of(planned.toBytes()),
          ...(rewrites === undefined ? {} : { rewrites: rewrites.packs }),
        },
      ],
    };
    await this.store.put(vaultKeys.bitmap(run, this.disk), planned.toBytes());
    const disks = [{ disk: this.disk, exports: [EXPORT] }];
    await writeConnection(this.store, {
      ...HEAD,
      requires: [],
      run,
      execution: run,
      pool: 'none',
      session: new Secret('s'),
      disks,
    });
    await this.store.putIfAbsent(vaultKeys.plan(run), encodeDocument(plan));
  }

  /** Reads all shards of both passes, each of so many grains of the disk. */
  async read(run: RunId, content: Buffer, { planned: changed, rewrites, shardGrains }: RunShape): Promise<void> {
    const planned = new PlannedGrains(changed, rewrites?.grains);
    const ports = {
      store: this.store,
      clock: this.clock,
      random: this.randomBytes,
      deadline: new Date(this.nowMs + FAR_MS),
      signal: new AbortController().signal,
      connect: async () => ({
        exportBytes: content.length,
        readInto: async (offset: number, target: Buffer) => {
          this.readBytes += content.copy(target, 0, offset, offset + target.length);
        },
        close: () => Promise.resolve(),
      }),
    };
    let shard = 0;
    for (const pass of PASSES) {
      for (let firstGrain = 0; firstGrain < planned.grains; firstGrain += shardGrains) {
        const endGrain = Math.min(firstGrain + shardGrains, planned.grains);
        const plannedGrains = planned.of(pass).countIn({ first: firstGrain, end: endGrain });
        if (plannedGrains === 0) continue;
        const named = pass === 'changed' ? {} : { pass };
        const range = { firstGrain, endGrain, plannedGrains };
        await readShard(ports, { runId: run, shard: shard++, disk: this.disk, ...named, ...range });
      }
    }
  }

  async restore(seq: number, store = this.store): Promise<Buffer> {
    const content = await DiskContent.open(store, { disk: this.disk, seq });
    const image = Buffer.alloc(content.diskBytes);
    await content.read({ first: 0, end: indexAfter(grainsCovering(image.length)) }, (offset, bytes) => {
      bytes.copy(image, offset);
    });
    return image;
  }
}

/** Grains in which two contents differ, in bytes or in length. */
export function changedGrains(before: Buffer | undefined, after: Buffer): GrainBitmap {
  const changed = new GrainBitmap(grainsCovering(after.length));
  for (let grain = 0; grain < changed.grains; grain++) {
    const [start, end] = [grain * GRAIN_BYTES, (grain + 1) * GRAIN_BYTES];
    if (before === undefined || !before.subarray(start, end).equals(after.subarray(start, end))) changed.add(grain);
  }
  return changed;
}
