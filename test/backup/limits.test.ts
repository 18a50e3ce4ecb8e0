import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PACK_PART_BYTES, PackWriter } from '#lib/backup/pack-writer.ts';
import { cutShards } from '#lib/backup/shards.ts';
import { GrainBitmap } from '#lib/format/grain-bitmap.ts';
import { grainDigest } from '#lib/format/grain-content.ts';
import { PASSES, PlannedGrains } from '#lib/format/planned-grains.ts';
import { MAX_PARTS, MIN_PART_BYTES } from '#lib/store/multipart-writer.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { GIB, GRAIN_BYTES, parseDiskId, parsePackId, parseRunId, WINDOW_GRAINS } from '#lib/units.ts';
import { memoryStore } from '../fakes/memory-store.ts';
import { seededRandom } from '../fakes/random.ts';

const DISK = parseDiskId('d15c0000-0000-4000-8000-000000000001');
const RUN = parseRunId('0000000000000001');
const MAX_PACK_BYTES = 4 * GIB;
const TIB_GRAINS = (1024 * GIB) / GRAIN_BYTES;

/** Contiguous runs of grains of a disk of 1 TiB, by pass. */
const areas = fc.array(
  fc.record({ first: fc.nat(TIB_GRAINS - 1), grains: fc.nat(TIB_GRAINS / 4), pass: fc.constantFrom(...PASSES) }),
  { minLength: 1, maxLength: 6 },
);

test('invariant 25, limits: whatever is planned, no shard and so no pack holds more than 4 GiB of disk', () => {
  const property = fc.property(areas, fc.integer({ min: 1, max: 16 }), (planned, readers) => {
    const passes = { changed: new GrainBitmap(TIB_GRAINS), rewritten: new GrainBitmap(TIB_GRAINS) };
    for (const { first, grains, pass } of planned) {
      passes[pass].addRun({ first, end: Math.min(first + grains, TIB_GRAINS) });
    }
    passes.rewritten.remove(passes.changed);
    const all = new PlannedGrains(passes.changed, passes.rewritten);
    const shards = cutShards(RUN, [{ disk: DISK, planned: all }], readers);
    const covered = shards.reduce((sum, { plannedGrains }) => sum + plannedGrains, 0);
    assert.equal(covered, all.count());
    for (const { plannedGrains } of shards) assert.ok(plannedGrains * GRAIN_BYTES <= MAX_PACK_BYTES);
  });
  fc.assert(property, { numRuns: 20 });
});

/** A store that notes how large the parts of uploads are. */
function measuredStore(partBytes: number[]): ObjectStore {
  const { store } = memoryStore();
  return new Proxy(store, {
    get: (target, name) => {
      if (name !== 'uploadPart') return Reflect.get(target, name).bind(target);
      return (...call: Parameters<ObjectStore['uploadPart']>) => {
        partBytes.push(call[1].body.length);
        return target.uploadPart(...call);
      };
    },
  });
}

test('invariant 25, limits: a pack of noise of 4 GiB has far fewer parts than S3 allows, each large enough', async () => {
  const partBytes: number[] = [];
  const pack = parsePackId('1'.repeat(32));
  const writer = new PackWriter({ store: measuredStore(partBytes), disk: DISK, run: RUN, pack });
  const grains = (40 * GIB) / 1024 / GRAIN_BYTES;
  const random = seededRandom(25);
  const bytes = Buffer.alloc(GRAIN_BYTES);
  for (let grain = 0; grain < grains; grain++) {
    for (let at = 0; at < GRAIN_BYTES; at += 4) bytes.writeUInt32LE(random() * 2 ** 32, at);
    await writer.add(grain * WINDOW_GRAINS, { bytes, digest: grainDigest(bytes) });
  }
  const stored = await writer.finish();
  assert.deepEqual(partBytes.slice(0, -1), [PACK_PART_BYTES, PACK_PART_BYTES]);
  assert.ok(PACK_PART_BYTES >= MIN_PART_BYTES);
  // Every grain alone in its frame is the worst case: what it takes beyond its content is 16 bytes of digest and frames.
  const overhead = (stored?.bytes ?? 0) / (grains * GRAIN_BYTES);
  assert.ok(overhead < 1.001, `${overhead} bytes are stored for a byte of noise`);
  assert.ok((MAX_PACK_BYTES * overhead) / PACK_PART_BYTES < MAX_PARTS / 30);
});
