/** The check before every commit: data + zero + unchanged = planned, each grain exactly once, each pack really there. */

import type { GrainBitmap } from '#lib/format/grain-bitmap.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { DiskPlan } from '#lib/format/plan.ts';
import type { Receipt } from '#lib/format/receipt.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { IncompleteRun } from './failures.ts';

/** HEAD requests at a time: each takes a round trip, and a run has a few hundred packs at most. */
const HEADS_AT_ONCE = 16;

/**
 * Throws IncompleteRun unless the receipts of the disk, in order, tile the planned grains. Between parts there may be
 * gaps of the disk, but no planned grain may lie in them.
 */
export function checkCoverage(disk: DiskPlan, planned: GrainBitmap, receipts: readonly Receipt[]): void {
  const incomplete = (what: string) => new IncompleteRun(`disk ${disk.disk}: ${what}; the point is not committed`);
  let covered = 0;
  let position = 0;
  for (const receipt of receipts) {
    const { shard, part, firstGrain, endGrain, data, zero, unchanged } = receipt;
    if (firstGrain < position || endGrain > planned.grains) {
      throw incomplete(`shard ${shard} part ${part} covers grains that another part covers too`);
    }
    const expected = planned.countIn({ first: firstGrain, end: endGrain });
    if (data + zero + unchanged !== expected) {
      throw incomplete(`shard ${shard} part ${part} accounts for ${data + zero + unchanged} of ${expected} grains`);
    }
    covered += expected;
    position = endGrain;
  }
  if (covered !== disk.plannedGrains || planned.count() !== disk.plannedGrains) {
    throw incomplete(`receipts account for ${covered} of ${disk.plannedGrains} planned grains`);
  }
}

/** Throws IncompleteRun unless every new pack and pack index is stored with the size and checksum of its receipt. */
export async function checkPacks(store: ObjectStore, receipts: readonly Receipt[]): Promise<void> {
  for (let i = 0; i < receipts.length; i += HEADS_AT_ONCE) {
    await Promise.all(receipts.slice(i, i + HEADS_AT_ONCE).map((receipt) => checkPack(store, receipt)));
  }
}

async function checkPack(store: ObjectStore, { run, disk, pack }: Receipt): Promise<void> {
  if (pack === undefined) return;
  const name = { run, pack: pack.pack };
  const packKey = vaultKeys.pack(disk, name);
  const facts = await store.head(packKey);
  if (facts === undefined || facts.bytes !== pack.bytes || (facts.crc32 ?? pack.crc32) !== pack.crc32) {
    throw new IncompleteRun(`pack ${packKey} is not stored as its receipt says; the point is not committed`);
  }
  const indexKey = vaultKeys.packIndex(disk, name);
  if ((await store.head(indexKey))?.bytes !== pack.indexBytes) {
    throw new IncompleteRun(`pack index ${indexKey} is not stored as its receipt says; the point is not committed`);
  }
}
