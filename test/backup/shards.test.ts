import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cutShards, SHARD_ALIGN_GRAINS, shardBytes } from '#lib/backup/shards.ts';
import { GrainBitmap } from '#lib/format/grain-bitmap.ts';
import { PlannedGrains } from '#lib/format/planned-grains.ts';
import { GRAIN_BYTES, parseDiskId, parseRunId } from '#lib/units.ts';

const RUN = parseRunId('00000000000000b1');
const DISK = parseDiskId('d15c0000-0000-4000-8000-000000000001');
const READERS = 2;

/** Neither whole strides nor whole bytes. */
const GRAINS = 61_237;
const PATTERNS: Record<string, (grain: number) => boolean> = {
  'no grain': () => false,
  'every grain': () => true,
  'every other grain': (grain) => grain % 2 === 1,
  'a hot tenth': (grain) => grain % 40_960 < 4096,
  'single grains here and there': (grain) => (grain * 2_654_435_761) % 97 === 0,
  'the last grain': (grain) => grain === GRAINS - 1,
};

/** The rule without any speed: aligned pieces are added to a shard until the next would make it too large. */
function cutSlowly(planned: GrainBitmap, targetGrains: number) {
  const cuts: { firstGrain: number; endGrain: number; plannedGrains: number }[] = [];
  let current = { firstGrain: 0, plannedGrains: 0 };
  for (let first = 0; first < planned.grains; first += SHARD_ALIGN_GRAINS) {
    let here = 0;
    for (let grain = first; grain < first + SHARD_ALIGN_GRAINS; grain++) here += planned.has(grain) ? 1 : 0;
    if (current.plannedGrains > 0 && current.plannedGrains + here > targetGrains) {
      cuts.push({ ...current, endGrain: first });
      current = { firstGrain: first, plannedGrains: 0 };
    }
    current.plannedGrains += here;
  }
  if (current.plannedGrains > 0) cuts.push({ ...current, endGrain: planned.grains });
  return cuts;
}

describe('shards end at the first aligned piece that would make them too large, wherever the changes are', () => {
  for (const [name, isPlanned] of Object.entries(PATTERNS)) {
    test(name, () => {
      const planned = new GrainBitmap(GRAINS);
      for (let grain = 0; grain < GRAINS; grain++) if (isPlanned(grain)) planned.add(grain);
      const targetGrains = Math.ceil(shardBytes(planned.count() * GRAIN_BYTES, READERS) / GRAIN_BYTES);
      const shards = cutShards(RUN, [{ disk: DISK, planned: new PlannedGrains(planned) }], READERS);
      assert.deepEqual(
        shards.map(({ firstGrain, endGrain, plannedGrains }) => ({ firstGrain, endGrain, plannedGrains })),
        cutSlowly(planned, targetGrains).map(({ firstGrain, endGrain, plannedGrains }) => ({
          firstGrain,
          endGrain,
          plannedGrains,
        })),
      );
    });
  }
});

test('grains are counted alike in ranges that begin and end anywhere, also in memory that is not aligned', () => {
  const bits = Buffer.from(Array.from({ length: 403 }, (_, at) => (at * 37) & 0xff));
  for (const shift of [0, 1, 2, 3]) {
    const bitmap = new GrainBitmap(400 * 8, bits.subarray(shift));
    for (const [first, end] of [
      [0, 3200],
      [5, 3199],
      [8, 2000],
      [31, 545],
      [100, 101],
    ] as const) {
      let expected = 0;
      for (let grain = first; grain < end; grain++) expected += bitmap.has(grain) ? 1 : 0;
      assert.equal(bitmap.countIn({ first, end }), expected, `${shift}: ${first}-${end}`);
    }
  }
});
