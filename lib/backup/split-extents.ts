/** The use case of the state split-extents: bitmaps -> shards.jsonl. */

import { GrainBitmap } from '#lib/format/grain-bitmap.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { type Bytes, GRAIN_BYTES, grainsCovering, type RunId } from '#lib/units.ts';
import { readPlan } from '#lib/vault/run-documents.ts';
import { cutShards, encodeShards, type PlannedDisk } from './shards.ts';

/** Running it twice writes the same bytes: shards depend on the plan and the bitmaps alone, and those never change. */
export async function splitExtents(
  { store }: { store: ObjectStore },
  run: RunId,
): Promise<{ shards: number; plannedBytes: Bytes; readers: number }> {
  const plan = await readPlan(store, run);
  const disks: PlannedDisk[] = [];
  for (const { disk, diskBytes } of plan.disks) {
    const bits = await store.get(vaultKeys.bitmap(run, disk));
    disks.push({ disk, planned: new GrainBitmap(grainsCovering(diskBytes), bits) });
  }
  const shards = cutShards(run, disks, plan.readers);
  await store.put(vaultKeys.shards(run), encodeShards(shards));
  const plannedGrains = shards.reduce((sum, shard) => sum + shard.plannedGrains, 0);
  return { shards: shards.length, plannedBytes: plannedGrains * GRAIN_BYTES, readers: plan.readers };
}
