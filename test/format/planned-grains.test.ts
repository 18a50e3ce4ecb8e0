import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GrainBitmap } from '#lib/format/grain-bitmap.ts';
import { sha256Of } from '#lib/format/manifest.ts';
import { bitsRange, PASSES, PlannedGrains } from '#lib/format/planned-grains.ts';

const KEY = 'runs/0000000000000001/bitmaps/d.bits';

function bitmapOf(grains: number, has: (grain: number) => boolean): GrainBitmap {
  const bitmap = new GrainBitmap(grains);
  for (let grain = 0; grain < grains; grain++) if (has(grain)) bitmap.add(grain);
  return bitmap;
}

/** For each grain: not planned, changed, or rewritten. */
const plans = fc.array(fc.nat(2), { minLength: 1, maxLength: 300 });
const plannedOf = (plan: readonly number[]) =>
  new PlannedGrains(
    bitmapOf(plan.length, (grain) => plan[grain] === 1),
    bitmapOf(plan.length, (grain) => plan[grain] === 2),
  );

test('both passes come back as they were planned, and each pass lies where readers look for it', () => {
  fc.assert(
    fc.property(plans, fc.nat(37), (plan, place) => {
      const bytes = plannedOf(plan).toBytes();
      const parsed = PlannedGrains.parse(bytes, { key: KEY, grains: plan.length, sha256: sha256Of(bytes) });
      const range = { first: Math.min(8 * place, 8 * Math.floor(plan.length / 8)), end: plan.length };
      for (const pass of PASSES) {
        const { start, end } = bitsRange(pass, range, plan.length);
        const bits = new GrainBitmap(range.end - range.first, bytes.subarray(start, end));
        for (const [grain, planned] of plan.entries()) {
          const isPlanned = planned === (pass === 'changed' ? 1 : 2);
          assert.equal(parsed.of(pass).has(grain), isPlanned);
          if (grain >= range.first) assert.equal(bits.has(grain - range.first), isPlanned);
        }
      }
    }),
  );
});

test('bits that are not those of the plan are damaged: flipped, cut, of another disk, or planned twice', () => {
  const bytes = plannedOf(Array.from({ length: 64 }, (_, grain) => grain % 3)).toBytes();
  const sha256 = sha256Of(bytes);
  const damaged = { name: 'DamagedObject', message: /bitmaps\/d\.bits.*(start a new run|twice)/ };
  for (let at = 0; at < bytes.length; at++) {
    const flipped = Buffer.from(bytes);
    flipped[at]! ^= 1;
    assert.throws(() => PlannedGrains.parse(flipped, { key: KEY, grains: 64, sha256 }), damaged);
  }
  assert.throws(() => PlannedGrains.parse(bytes.subarray(0, 15), { key: KEY, grains: 64 }), damaged);
  assert.throws(() => PlannedGrains.parse(bytes, { key: KEY, grains: 65 }), damaged);
  const twice = Buffer.concat([bytes.subarray(0, 8), bytes.subarray(0, 8)]);
  assert.throws(() => PlannedGrains.parse(twice, { key: KEY, grains: 64 }), damaged);
});
