/** What can happen in the model: writes, runs and their parts, retention, collection. The use cases are the real ones. */

import { commitPoint } from '#lib/backup/commit-point.ts';
import { writeConnection } from '#lib/backup/connection-document.ts';
import { readShard } from '#lib/backup/read-shard.ts';
import { planRewrites, type Rewrites } from '#lib/backup/rewrites.ts';
import { SHARD_ALIGN_GRAINS } from '#lib/backup/shards.ts';
import { carryOutCollection, planCollection } from '#lib/collect/collector.ts';
import { encodeDocument, HEAD } from '#lib/format/document.ts';
import { GrainBitmap } from '#lib/format/grain-bitmap.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { sha256Of } from '#lib/format/manifest.ts';
import type { RunPlan, Shard } from '#lib/format/plan.ts';
import { PASSES, PlannedGrains } from '#lib/format/planned-grains.ts';
import { retentionPolicy } from '#lib/retention/policy.ts';
import { carryOutPrune, planPrune } from '#lib/retention/prune.ts';
import { Secret } from '#lib/secret.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { GRAIN_BYTES, grainsCovering, type RunId } from '#lib/units.ts';
import { letGo } from '#lib/vault/expiries.ts';
import { readHead } from '#lib/vault/ledger.ts';
import { ManifestReader } from '#lib/vault/manifest-reader.ts';
import { memoryVersions } from '../fakes/memory-versions.ts';
import { type Content, DISK, type ModelRun, VM, type World } from './world.ts';

export const POLICY = retentionPolicy.parse({ keepLast: 2, keepDaily: 3, keepWeekly: 2, keepWithinDays: 1 });
const FAR_MS = 10_000_000;

export function writeToDisk(world: World): void {
  const grains = [...world.disk.grains];
  const first = world.below(grains.length);
  for (let at = first; at < Math.min(grains.length, first + 1 + world.below(6)); at++) {
    grains[at] = world.chance(0.25) ? 0 : world.below(255) + 1;
  }
  world.disk = { ...world.disk, grains };
}

/** Grows or shrinks by sectors; what grew reads as zeros. */
export function resizeDisk(world: World): void {
  const bytes = 512 * (1 + world.below(100 * 128));
  const count = grainsCovering(bytes);
  const kept = world.disk.grains.slice(0, count);
  world.disk = { bytes, grains: [...kept, ...Array.from({ length: count - kept.length }, () => 0)] };
}

const CONNECTION = {
  address: '127.0.0.1',
  port: 10809,
  exportName: new Secret('x'),
  security: { kind: 'insecure' },
} as const;

/** Stands in for snapshot-disks: asks the ledger for the base, compares with its content, plans. */
export async function planRun(world: World, store: ObjectStore): Promise<void> {
  const clock = world.skewedClock();
  const run = world.nextRun();
  const content = world.disk;
  const head = await readHead(store, DISK);
  const before = head === undefined ? undefined : world.runOf(head.entry.run).content;
  const lost = before === undefined || before.bytes > content.bytes || world.chance(0.1);
  const changed = new GrainBitmap(content.grains.length);
  for (let grain = 0; grain < changed.grains; grain++) {
    if (lost || isChanged(before, content, grain) || world.chance(0.05)) changed.add(grain);
  }
  const base = head && (await ManifestReader.open(store, head.entry.manifest));
  const rewrites = base && (await rewriteSome(world, store, { base, changed }));
  const planned = new PlannedGrains(changed, rewrites?.grains);
  const bits = planned.toBytes();
  const kind = lost ? 'full' : 'incremental';
  const plan: RunPlan = {
    ...HEAD,
    requires: [],
    run,
    vm: VM,
    vmName: 'model',
    pool: 'model',
    execution: run,
    started: clock.now(),
    readers: 2,
    disks: [
      {
        disk: DISK,
        name: 'model',
        device: '0',
        bootable: true,
        diskBytes: content.bytes,
        snapshot: DISK,
        snapshotTime: clock.now(),
        sr: 'model',
        changedBlocks: true,
        kind,
        ...(lost ? { full: { because: 'model', cure: 'none' } } : {}),
        ...(head === undefined
          ? {}
          : { base: { seq: head.entry.seq, entrySha256: head.sha256, manifest: head.entry.manifest } }),
        plannedGrains: planned.count(),
        bitmapSha256: sha256Of(bits),
        ...(rewrites === undefined ? {} : { rewrites: rewrites.packs }),
      },
    ],
  };
  await store.put(vaultKeys.bitmap(run, DISK), bits);
  await writeConnection(store, {
    ...HEAD,
    requires: [],
    run,
    execution: run,
    pool: 'model',
    session: new Secret('s'),
    disks: [{ disk: DISK, exports: [CONNECTION] }],
  });
  await store.putIfAbsent(vaultKeys.plan(run), encodeDocument(plan));
  const plannedGrains = content.grains
    .map((_, grain) => grain)
    .filter((grain) => PASSES.some((pass) => planned.of(pass).has(grain)));
  world.runs.push({
    run,
    content,
    startedMs: world.nowMs,
    baseSeq: head?.entry.seq ?? 0,
    planned: plannedGrains,
    shards: cutIntoShards(run, planned),
    rewritten: new Set(rewrites?.packs),
    kind,
    grainsRead: 0,
    attempts: 0,
  });
}

/** Now and then a pack is declared damaged, so that the next run writes its grains anew: compaction in small. */
async function rewriteSome(
  world: World,
  store: ObjectStore,
  { base, changed }: { base: ManifestReader; changed: GrainBitmap },
): Promise<Rewrites | undefined> {
  const unlucky = world.chance(0.15) ? world.pick(base.header.packs) : undefined;
  if (unlucky !== undefined) await store.put(vaultKeys.damage(DISK, unlucky.pack), Buffer.from('{}'));
  return planRewrites(store, base, { changed, storageClass: undefined });
}

/** Shards as small as they may be; a real run has them from 256 MiB up. */
function cutIntoShards(run: RunId, planned: PlannedGrains): Shard[] {
  const shards: Shard[] = [];
  for (const pass of PASSES) {
    for (let firstGrain = 0; firstGrain < planned.grains; firstGrain += SHARD_ALIGN_GRAINS) {
      const endGrain = Math.min(firstGrain + SHARD_ALIGN_GRAINS, planned.grains);
      const plannedGrains = planned.of(pass).countIn({ first: firstGrain, end: endGrain });
      const named = { runId: run, shard: shards.length, disk: DISK, ...(pass === 'changed' ? {} : { pass }) };
      if (plannedGrains > 0) shards.push({ ...named, firstGrain, endGrain, plannedGrains });
    }
  }
  return shards;
}

/** Changed blocks as the host reports them: content that differs, and the grain in which either disk ends. */
function isChanged(before: Content | undefined, after: Content, grain: number): boolean {
  if (before === undefined || grain >= before.grains.length) return (after.grains[grain] ?? 0) !== 0;
  const endsHere =
    before.bytes !== after.bytes && grain >= Math.floor(Math.min(before.bytes, after.bytes) / GRAIN_BYTES);
  return endsHere || before.grains[grain] !== after.grains[grain];
}

/** One attempt at one shard; a deadline that has come cuts it into parts of 1 MiB. */
export async function readOneShard(world: World, store: ObjectStore, run: ModelRun): Promise<void> {
  const shard = world.pick(run.shards);
  if (shard === undefined) return;
  const clock = world.skewedClock();
  const leftMs = world.chance(0.3) ? 0 : FAR_MS;
  run.attempts += 1;
  const ports = {
    store,
    connect: async () => world.source(run),
    clock,
    random: world.randomBytes,
    newCompressor: world.newCompressor,
    deadline: new Date(clock.now().getTime() + leftMs),
    signal: new AbortController().signal,
  };
  await readShard(ports, shard);
}

export async function commit(world: World, store: ObjectStore, run: ModelRun): Promise<void> {
  await commitPoint({ store, clock: world.skewedClock() }, run.run);
}

/** Somebody asks for a point to be let go, without looking at which. */
export async function letAnyGo(world: World, store: ObjectStore): Promise<void> {
  const head = (await readHead(store, DISK))?.entry.seq ?? 0;
  if (head === 0) return;
  const seq = world.chance(0.5) ? head : 1 + world.below(head);
  await letGo(store, { disk: DISK, seq, time: new Date(world.nowMs), because: 'somebody asked for it' });
}

export async function prune(world: World, store: ObjectStore): Promise<void> {
  const now = world.skewedClock().now();
  await carryOutPrune(store, await planPrune(store, () => POLICY, now), now);
}

export async function collect(world: World, store: ObjectStore, beforeRemove: (key: string) => void): Promise<void> {
  const now = world.skewedClock().now();
  const versions = memoryVersions(world.bucket, { beforeRemove: ({ key }) => beforeRemove(key) });
  const plan = await planCollection({ store, versions }, DISK, now);
  await carryOutCollection({ store, versions }, plan, now);
}
