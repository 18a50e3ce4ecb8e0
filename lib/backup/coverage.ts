/**
 * The check before every commit: data + zero + unchanged = planned, each grain exactly once, each new pack there with
 * exactly the grains that the receipts say, each old one that is still needed there with its size.
 */

import { vaultKeys } from '#lib/format/keys.ts';
import { type ManifestHeader, sha256Of } from '#lib/format/manifest.ts';
import { grainsInMask, PackIndex } from '#lib/format/pack-index.ts';
import type { DiskPlan } from '#lib/format/plan.ts';
import { PASSES, type Pass, type PlannedGrains } from '#lib/format/planned-grains.ts';
import { OUTCOME_DATA, Outcomes, type Receipt } from '#lib/format/receipt.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { type GrainIndex, WINDOW_GRAINS } from '#lib/units.ts';
import { IncompleteRun } from './failures.ts';

/** Packs checked at a time: each takes two round trips and its index, 1.2 MiB for 4 GiB. */
const PACKS_AT_ONCE = 8;

/** Throws IncompleteRun unless the receipts of the disk, in order, tile what each pass plans. */
export function checkCoverage(disk: DiskPlan, planned: PlannedGrains, receipts: readonly Receipt[]): void {
  const covered = PASSES.map((pass) => coveredIn(pass, { disk, planned, receipts })).reduce((sum, more) => sum + more);
  if (covered !== disk.plannedGrains || planned.count() !== disk.plannedGrains) {
    throw incomplete(disk, `receipts account for ${covered} of ${disk.plannedGrains} planned grains`);
  }
}

/** The receipts of one pass, in disk order. */
export function receiptsOf(pass: Pass, receipts: readonly Receipt[]): Receipt[] {
  return receipts.filter((receipt) => (receipt.pass ?? 'changed') === pass);
}

const incomplete = ({ disk }: DiskPlan, what: string) =>
  new IncompleteRun(`disk ${disk}: ${what}; the point is not committed`);

/** Between parts there may be gaps of the disk: whether a planned grain lies in them the sum of all parts tells. */
function coveredIn(
  pass: Pass,
  { disk, planned, receipts }: { disk: DiskPlan; planned: PlannedGrains; receipts: readonly Receipt[] },
): number {
  let covered = 0;
  let position = 0;
  for (const receipt of receiptsOf(pass, receipts)) {
    const { shard, part, firstGrain, endGrain, data, zero, unchanged } = receipt;
    if (firstGrain < position || endGrain > planned.grains) {
      throw incomplete(disk, `shard ${shard} part ${part} covers grains that another part covers too`);
    }
    const expected = planned.of(pass).countIn({ first: firstGrain, end: endGrain });
    const tally = Outcomes.of(receipt, `shard ${shard} part ${part}`).tally();
    if (data + zero + unchanged !== expected || tally.join() !== [data, zero, unchanged, 0].join()) {
      throw incomplete(disk, `shard ${shard} part ${part} accounts for ${tally.join(' + ')} of ${expected} grains`);
    }
    covered += expected;
    position = endGrain;
  }
  return covered;
}

/** Throws IncompleteRun unless every new pack and pack index is stored as its receipt says, grain by grain. */
export async function checkPacks(
  store: ObjectStore,
  planned: PlannedGrains,
  receipts: readonly Receipt[],
): Promise<void> {
  for (let i = 0; i < receipts.length; i += PACKS_AT_ONCE) {
    await Promise.all(receipts.slice(i, i + PACKS_AT_ONCE).map((receipt) => checkPack(store, planned, receipt)));
  }
}

async function checkPack(store: ObjectStore, planned: PlannedGrains, receipt: Receipt): Promise<void> {
  const { run, disk, pack, data } = receipt;
  if (pack === undefined) {
    if (data === 0) return;
    throw new IncompleteRun(`shard ${receipt.shard} part ${receipt.part} has ${data} data grains and no pack for them`);
  }
  const name = { run, pack: pack.pack };
  const packKey = vaultKeys.pack(disk, name);
  const facts = await store.head(packKey);
  if (facts === undefined || facts.bytes !== pack.bytes || (facts.crc32 ?? pack.crc32) !== pack.crc32) {
    throw new IncompleteRun(`pack ${packKey} is not stored as its receipt says; the point is not committed`);
  }
  const indexKey = vaultKeys.packIndex(disk, name);
  const bytes = await store.get(indexKey);
  if (sha256Of(bytes) !== pack.indexSha256 || !holdsDataOf(new PackIndex(bytes, indexKey), planned, receipt)) {
    throw new IncompleteRun(`pack index ${indexKey} is not what its receipt says; the point is not committed`);
  }
}

/**
 * Whether slot n of the pack is the n-th data grain of the receipt. The map is made from receipts and read by the index;
 * where they differed a restore would find other grains than it asks for.
 */
function holdsDataOf(index: PackIndex, planned: PlannedGrains, receipt: Receipt): boolean {
  let slot = 0;
  let frame = 0;
  let place = { window: -1, mask: 0, firstSlot: 0, grains: 0 };
  for (const grain of dataGrains(planned, receipt)) {
    if (slot === place.firstSlot + place.grains) {
      if (frame === index.frames) return false;
      place = index.frameAt(frame++);
    }
    const bit = 1 << (grain % WINDOW_GRAINS);
    const isNext = slot - place.firstSlot === grainsInMask(place.mask & (bit - 1));
    if (Math.floor(grain / WINDOW_GRAINS) !== place.window || (place.mask & bit) === 0 || !isNext) return false;
    slot += 1;
  }
  return slot === index.grains;
}

/** The grains of a part that are stored in its pack, in order: the n-th is slot n. */
function* dataGrains(planned: PlannedGrains, receipt: Receipt): Generator<GrainIndex> {
  const outcomes = Outcomes.of(receipt, `shard ${receipt.shard} part ${receipt.part}`);
  let position = 0;
  for (const run of planned
    .of(receipt.pass ?? 'changed')
    .runsIn({ first: receipt.firstGrain, end: receipt.endGrain })) {
    for (let grain = run.first; grain < run.end; grain++) {
      if (outcomes.get(position++) === OUTCOME_DATA) yield grain;
    }
  }
}

/** Throws IncompleteRun when a pack of the base that the new point may need is gone or has another size. */
export async function checkBasePacks(store: ObjectStore, { disk, packs }: ManifestHeader): Promise<void> {
  const stored = new Map<string, number>();
  for await (const { key, bytes } of store.list(vaultKeys.packs(disk))) stored.set(key, bytes);
  for (const entry of packs) {
    const key = vaultKeys.pack(disk, entry);
    if (stored.get(key) === entry.bytes) continue;
    throw new IncompleteRun(`pack ${key}, which the point needs, is gone or cut; verify the disk, then back up again`);
  }
}
