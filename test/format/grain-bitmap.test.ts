import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GrainBitmap } from '#lib/format/grain-bitmap.ts';

const sets = fc
  .integer({ min: 0, max: 200 })
  .chain((grains) =>
    fc.tuple(fc.constant(grains), fc.uniqueArray(fc.nat(Math.max(0, grains - 1)), { maxLength: grains })),
  );

function bitmapOf(grains: number, members: readonly number[]): GrainBitmap {
  const bitmap = new GrainBitmap(grains);
  for (const grain of members) bitmap.add(grain);
  return bitmap;
}

test('bit 0 of the disk is the most significant bit of byte 0, as the host sends it', () => {
  assert.deepEqual([...bitmapOf(12, [0, 7, 8]).toBytes()], [0b1000_0001, 0b1000_0000]);
});

test('runs are maximal, in order, and hold exactly the grains of the set, in any range', () => {
  fc.assert(
    fc.property(sets, fc.nat(200), fc.nat(200), ([grains, members], a, b) => {
      const [first, end] = [Math.min(a, b, grains), Math.min(Math.max(a, b), grains)];
      const bitmap = bitmapOf(grains, members);
      const expected = members.filter((grain) => grain >= first && grain < end).sort((x, y) => x - y);
      const runs = [...bitmap.runsIn({ first, end })];
      const found = runs.flatMap((run) => Array.from({ length: run.end - run.first }, (_, k) => run.first + k));
      assert.deepEqual(found, expected);
      for (const [i, run] of runs.entries()) assert.ok(i === 0 || run.first > runs[i - 1]!.end, 'runs do not touch');
      assert.equal(bitmap.countIn({ first, end }), expected.length);
    }),
  );
});

test('adding a run adds its grains and no other', () => {
  fc.assert(
    fc.property(fc.nat(150), fc.nat(150), (a, b) => {
      const [first, end] = [Math.min(a, b), Math.max(a, b)];
      const bitmap = new GrainBitmap(151);
      bitmap.addRun({ first, end });
      for (let grain = 0; grain < 151; grain++) assert.equal(bitmap.has(grain), grain >= first && grain < end);
    }),
  );
});

test('bits past the end of the disk are not grains, and a short buffer stands for zeros', () => {
  assert.equal(new GrainBitmap(9, Buffer.from([0xff, 0xff])).count(), 9);
  assert.equal(new GrainBitmap(64, Buffer.from([0xff])).count(), 8);
});
