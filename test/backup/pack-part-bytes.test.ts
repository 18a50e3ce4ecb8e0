import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PACK_PART_BYTES, PackWriter, partBytesFor } from '#lib/backup/pack-writer.ts';
import { grainDigest } from '#lib/format/grain-content.ts';
import { MIN_PART_BYTES } from '#lib/store/multipart-writer.ts';
import { GRAIN_BYTES, MIB, parseDiskId, parsePackId, parseRunId, WINDOW_GRAINS } from '#lib/units.ts';
import { memoryStore } from '../fakes/memory-store.ts';
import { seededRandom } from '../fakes/random.ts';

const DISK = parseDiskId('d15c0000-0000-4000-8000-000000000001');
const RUN = parseRunId('0000000000000001');

function noise(seed: number): Buffer {
  const random = seededRandom(seed);
  const bytes = Buffer.alloc(GRAIN_BYTES);
  for (let at = 0; at < GRAIN_BYTES; at += 4) bytes.writeUInt32LE(random() * 2 ** 32, at);
  return bytes;
}

test('a small pack of noise with every grain alone in its frame still fits the one part that was made for it', async () => {
  const grains = (8 * MIB) / GRAIN_BYTES;
  const { bucket, store } = memoryStore();
  const partBytes = partBytesFor(grains);
  assert.ok(partBytes < 9 * MIB);
  const pack = parsePackId('1'.repeat(32));
  const writer = new PackWriter({ store, disk: DISK, run: RUN, pack, partBytes });
  for (let grain = 0; grain < grains; grain++) {
    const bytes = noise(grain);
    await writer.add(grain * WINDOW_GRAINS, { bytes, digest: grainDigest(bytes) });
  }
  await writer.finish();
  assert.equal(bucket.count({ operation: 'createMultipartUpload' }), 0);
});

test('parts are never smaller than S3 accepts, nor larger than three of them may be in a reader', () => {
  assert.equal(partBytesFor(0), MIN_PART_BYTES);
  assert.equal(partBytesFor(1_000_000), PACK_PART_BYTES);
});
