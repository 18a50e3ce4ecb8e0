/** Cuts the planned grains of a run into shards of equal work: equal changed bytes, not equal ranges of disk. */

import type { GrainBitmap, GrainRun } from '#lib/format/grain-bitmap.ts';
import type { Shard } from '#lib/format/plan.ts';
import { PASSES, type PlannedGrains } from '#lib/format/planned-grains.ts';
import { type Bytes, type DiskId, GIB, GRAIN_BYTES, type GrainCount, indexAfter, MIB, type RunId } from '#lib/units.ts';

/** Below this a connection to the host and an upload cost more than the bytes they carry. */
const MIN_SHARD_BYTES = 256 * MIB;
/** At 9 MiB/s, the slowest link worth planning for, this is 7.6 minutes: half of what a function may run. */
const MAX_SHARD_BYTES = 4 * GIB;
/**
 * Shards begin at multiples of 32 grains (2 MiB): no frame's window is split between two packs, and each shard's part
 * of the bitmap begins at a whole byte.
 */
export const SHARD_ALIGN_GRAINS = 32;
/** Counted at once where no shard can end: 256 MiB of disk. */
const STRIDE_GRAINS = 4096;

/** Two rounds for every reader, so that a slow shard does not keep the others waiting for long. */
export function shardBytes(plannedBytes: Bytes, readers: number): Bytes {
  return Math.min(MAX_SHARD_BYTES, Math.max(MIN_SHARD_BYTES, Math.ceil(plannedBytes / (2 * readers))));
}

export interface PlannedDisk {
  readonly disk: DiskId;
  readonly planned: PlannedGrains;
}

/** The shards of all disks and passes; every planned grain is in exactly one, and a shard without any is not made. */
export function cutShards(run: RunId, disks: readonly PlannedDisk[], readers: number): Shard[] {
  const grains = disks.reduce((sum, { planned }) => sum + planned.count(), 0);
  const targetGrains = Math.ceil(shardBytes(grains * GRAIN_BYTES, readers) / GRAIN_BYTES);
  const shards: Shard[] = [];
  for (const { disk, planned } of disks) {
    for (const pass of PASSES) {
      const of = { runId: run, disk, ...(pass === 'changed' ? {} : { pass }) };
      for (const cut of cutDisk(planned.of(pass), targetGrains)) shards.push({ ...of, shard: shards.length, ...cut });
    }
  }
  return shards;
}

type Cut = Pick<Shard, 'firstGrain' | 'endGrain' | 'plannedGrains'>;

function* cutDisk(planned: GrainBitmap, targetGrains: GrainCount): Generator<Cut> {
  let firstGrain = 0;
  let plannedGrains = 0;
  for (const stride of pieces({ first: 0, end: indexAfter(planned.grains) }, STRIDE_GRAINS)) {
    const inStride = planned.countIn(stride);
    if (plannedGrains + inStride <= targetGrains) {
      plannedGrains += inStride;
      continue;
    }
    for (const piece of pieces(stride, SHARD_ALIGN_GRAINS)) {
      const here = planned.countIn(piece);
      if (plannedGrains > 0 && plannedGrains + here > targetGrains) {
        yield { firstGrain, endGrain: piece.first, plannedGrains };
        firstGrain = piece.first;
        plannedGrains = 0;
      }
      plannedGrains += here;
    }
  }
  if (plannedGrains > 0) yield { firstGrain, endGrain: planned.grains, plannedGrains };
}

function* pieces({ first, end }: GrainRun, grains: GrainCount): Generator<GrainRun> {
  for (let at = first; at < end; at += grains) yield { first: at, end: Math.min(at + grains, end) };
}

/** The stored form: one JSON object a line, as the distributed map reads it. */
export function encodeShards(shards: readonly Shard[]): Buffer {
  return Buffer.from(shards.map((shard) => `${JSON.stringify(shard)}\n`).join(''));
}
