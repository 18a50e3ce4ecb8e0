import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GRAIN_BYTES, grainsCovering } from '#lib/units.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { LoneDisk } from '../fakes/lone-disk.ts';
import { seededRandom } from '../fakes/random.ts';

/** Three points of a disk that grows and shrinks, with zeros, several packs and a short last grain. */
async function sizableDisk(): Promise<LoneDisk> {
  const disk = new LoneDisk({ seed: 22 });
  const random = seededRandom(22);
  let content = Buffer.alloc(0);
  for (const bytes of [70 * GRAIN_BYTES + 512, 101 * GRAIN_BYTES + 65_000, 66 * GRAIN_BYTES + 1024]) {
    const next = Buffer.alloc(bytes);
    content.copy(next);
    for (let grain = 0; grain < grainsCovering(bytes); grain++) {
      const end = Math.min(bytes, (grain + 1) * GRAIN_BYTES);
      if (random() < 0.4) next.fill(random() < 0.3 ? 0 : 1 + random() * 255, grain * GRAIN_BYTES, end);
    }
    content = next;
    await disk.backUp(content);
    disk.nowMs += 86_400_000;
  }
  return disk;
}

test('invariants 20 and 22, resize and random access: any range of any point reads as in the whole disk', async () => {
  const disk = await sizableDisk();
  const opened = await Promise.all(
    disk.contents.map((_, i) => DiskContent.open(disk.store, { disk: disk.disk, seq: i + 1 })),
  );
  const range = fc.tuple(fc.nat(2), fc.nat(101), fc.integer({ min: 1, max: 40 }));
  await fc.assert(
    fc.asyncProperty(range, async ([point, first, count]) => {
      const [content, image] = [opened[point]!, disk.contents[point]!];
      assert.equal(content.diskBytes, image.length);
      const start = Math.min(image.length, first * GRAIN_BYTES);
      const end = Math.min(image.length, (first + count) * GRAIN_BYTES);
      const read = Buffer.alloc(end - start);
      await content.read({ first, end: first + count }, (offset, bytes) => {
        assert.ok(offset >= start && offset + bytes.length <= end, `${offset} is outside of what was asked for`);
        bytes.copy(read, offset - start);
      });
      assert.ok(read.equals(image.subarray(start, end)));
    }),
    { numRuns: 150 },
  );
});
