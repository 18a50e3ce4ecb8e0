import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DamagedObject } from '#lib/format/failures.ts';
import { decodeSection, emptySection, encodeSection, type SectionMap } from '#lib/format/section.ts';
import { SECTION_GRAINS } from '#lib/units.ts';
import { seededRandom } from '../fakes/random.ts';

interface Extent {
  readonly gap: number;
  readonly length: number;
  readonly pack: number;
  readonly slot: number;
}

function mapOf(extents: readonly Extent[]): SectionMap {
  const map = emptySection();
  let at = 0;
  for (const { gap, length, pack, slot } of extents) {
    at += gap;
    for (let k = 0; k < length && at < SECTION_GRAINS; k++, at++) {
      map.packs[at] = pack;
      map.slots[at] = pack === 0 ? 0 : slot + k;
    }
  }
  return map;
}

function assertSame(actual: SectionMap, expected: SectionMap): void {
  assert.ok(Buffer.from(actual.packs.buffer).equals(Buffer.from(expected.packs.buffer)), 'packs');
  assert.ok(Buffer.from(actual.slots.buffer).equals(Buffer.from(expected.slots.buffer)), 'slots');
}

const extents = fc.array(
  fc.record({
    gap: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 30_000 })),
    length: fc.integer({ min: 1, max: 20_000 }),
    pack: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 1, max: 2 ** 32 - 1 })),
    slot: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 2 ** 31 })),
  }),
  { maxLength: 40 },
);

test('invariant 21, map codec: a map of any extents is decoded to what was encoded', () => {
  fc.assert(
    fc.property(extents, (random) => {
      const map = mapOf(random);
      assertSame(decodeSection(encodeSection(map), 'test'), map);
    }),
    { numRuns: 60 },
  );
});

test('invariant 21, map codec: equal maps have equal bytes, however they came about', () => {
  fc.assert(
    fc.property(extents, fc.integer({ min: 1, max: 50_000 }), (random, dirt) => {
      const map = mapOf(random);
      const dirty = decodeSection(encodeSection(mapOf([{ gap: 0, length: dirt, pack: 7, slot: 1 }])), 'test');
      for (let at = 0; at < SECTION_GRAINS; at++) {
        dirty.packs[at] = map.packs[at]!;
        // What a grain without pack has for a slot means nothing and must not show.
        if (map.packs[at] !== 0) dirty.slots[at] = map.slots[at]!;
      }
      assert.ok(encodeSection(dirty).equals(encodeSection(map)));
    }),
    { numRuns: 20 },
  );
});

test('invariant 21, map codec: a pathological map, every grain an extent of its own, is decoded to itself', () => {
  const random = seededRandom(5);
  const map = emptySection();
  for (let at = 0; at < SECTION_GRAINS; at++) {
    map.packs[at] = 1 + Math.floor(random() * 2_000_000);
    map.slots[at] = Math.floor(random() * 65_536);
  }
  assertSame(decodeSection(encodeSection(map), 'test'), map);
});

test('a section of zeros takes no bytes, and a full one its extent alone', () => {
  assert.equal(encodeSection(emptySection()).length, 0);
  assertSame(decodeSection(Buffer.alloc(0), 'test'), emptySection());
  const full = encodeSection(mapOf([{ gap: 0, length: SECTION_GRAINS, pack: 1, slot: 0 }]));
  assert.ok(full.length < 32, `${full.length} bytes`);
});

test('decoding into a map that was used before leaves nothing of it', () => {
  const used = mapOf([{ gap: 0, length: SECTION_GRAINS, pack: 9, slot: 3 }]);
  const map = mapOf([{ gap: 10, length: 5, pack: 2, slot: 4 }]);
  assertSame(decodeSection(encodeSection(map), 'test', used), map);
});

test('a section that is cut or has any byte changed is never decoded to another map', () => {
  const map = mapOf([
    { gap: 3, length: 5, pack: 1, slot: 0 },
    { gap: 0, length: 70, pack: 300, slot: 9 },
    { gap: 900, length: 2, pack: 1, slot: 2 },
  ]);
  const stored = encodeSection(map);
  for (let length = 1; length < stored.length; length++) {
    assert.throws(() => decodeSection(stored.subarray(0, length), 'test'), DamagedObject, `cut to ${length}`);
  }
  for (let at = 0; at < stored.length; at++) {
    const flipped = Buffer.from(stored);
    flipped[at]! ^= 0x10;
    try {
      assertSame(decodeSection(flipped, 'test'), map);
    } catch (failure) {
      assert.ok(failure instanceof DamagedObject, String(failure));
    }
  }
});
