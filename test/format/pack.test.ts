import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import { DamagedObject } from '#lib/format/failures.ts';
import { decodeFrame, encodeFrame } from '#lib/format/frame.ts';
import { grainDigest } from '#lib/format/grain-content.ts';
import { encodePackTail, indexFromPack, type PackedFrame } from '#lib/format/pack.ts';
import { PackIndex } from '#lib/format/pack-index.ts';
import { GRAIN_BYTES, parsePackId } from '#lib/units.ts';
import { seededRandom } from '../fakes/random.ts';

const ID = parsePackId('00112233445566778899aabbccddeeff');
const random = seededRandom(11);

function grain(value: number, bytes = GRAIN_BYTES): Buffer {
  return Buffer.from(Array.from({ length: bytes }, (_, at) => (at % 7 === 0 ? random() * 256 : value)));
}

/** Windows 2, 3 and 9; the last grain of the disk is short. */
const FRAMES: readonly { window: number; mask: number; grains: readonly Buffer[] }[] = [
  { window: 2, mask: 0b1011, grains: [grain(1), grain(2), grain(3)] },
  { window: 3, mask: 0b0100, grains: [grain(4)] },
  { window: 9, mask: 0b0011, grains: [grain(5), grain(6, 1536)] },
];

function buildPack() {
  const stored = FRAMES.map(({ grains }) => encodeFrame(Buffer.concat(grains)));
  const frames = FRAMES.map(
    ({ window, mask, grains }, i): PackedFrame => ({
      window,
      mask,
      storedBytes: stored[i]!.length,
      contentBytes: grains.reduce((sum, { length }) => sum + length, 0),
      digests: grains.map(grainDigest),
    }),
  );
  const { index, tail } = encodePackTail(ID, frames);
  return { pack: Buffer.concat([...stored, tail]), index, stored };
}

const { pack, index, stored } = buildPack();
const content = Buffer.concat(FRAMES.flatMap(({ grains }) => grains));

test('zstd prints the grains of a pack one behind the other', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pack-'));
  try {
    await writeFile(join(folder, 'pack.zst'), pack);
    const printed = execFileSync('zstd', ['-dc', join(folder, 'pack.zst')], { maxBuffer: 1 << 24 });
    assert.ok(printed.equals(content));
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a reader of the zstd seekable format finds every frame by the table at the end', () => {
  // A codec of its own, after contrib/seekable_format/zstd_seekable_compression_format.md of zstd.
  assert.equal(pack.readUInt32LE(pack.length - 4), 0x8f92eab1);
  assert.equal(pack[pack.length - 5], 0, 'no checksums in the table');
  const count = pack.readUInt32LE(pack.length - 9);
  const table = pack.length - 9 - count * 8;
  assert.equal(pack.readUInt32LE(table - 8), 0x184d2a5e);
  assert.equal(pack.readUInt32LE(table - 4), count * 8 + 9);
  let [at, plain] = [0, 0];
  for (let entry = 0; entry < count; entry++) {
    const [storedBytes, plainBytes] = [pack.readUInt32LE(table + entry * 8), pack.readUInt32LE(table + entry * 8 + 4)];
    if (plainBytes > 0) {
      const frame = zstdDecompressSync(pack.subarray(at, at + storedBytes));
      assert.ok(frame.equals(content.subarray(plain, plain + plainBytes)), `frame ${entry}`);
    }
    at += storedBytes;
    plain += plainBytes;
  }
  assert.equal(at, table - 8, 'the entries tile everything before the table');
  assert.equal(plain, content.length);
});

test('the index tells for each slot its frame, place and digest', () => {
  const parsed = new PackIndex(index, 'test');
  assert.equal(parsed.pack, ID);
  assert.equal(parsed.grains, 6);
  const places = [0, 1, 2, 3, 4, 5].map((slot) => parsed.frameOfSlot(slot));
  assert.deepEqual(
    places.map(({ window, mask, firstSlot }) => [window, mask, firstSlot]),
    [
      [2, 0b1011, 0],
      [2, 0b1011, 0],
      [2, 0b1011, 0],
      [3, 0b0100, 3],
      [9, 0b0011, 4],
      [9, 0b0011, 4],
    ],
  );
  assert.equal(places[3]!.offsetBytes, stored[0]!.length);
  for (const [slot, bytes] of FRAMES.flatMap(({ grains }) => grains).entries()) {
    const sha256 = createHash('sha256').update(bytes).digest();
    assert.ok(parsed.digestOf(slot).equals(sha256.subarray(0, 16)), `slot ${slot}`);
  }
  assert.throws(() => parsed.frameOfSlot(6), DamagedObject);
  assert.throws(() => parsed.frameOfSlot(-1), DamagedObject);
});

test('invariant 28, index rebuild: the index is recovered from the pack alone, byte for byte', () => {
  assert.ok(indexFromPack(pack, 'test').toBytes().equals(index));
});

test('a pack whose tail is cut off or overwritten gives no index', () => {
  for (const cut of [1, 9, 40, 120]) {
    assert.throws(() => indexFromPack(pack.subarray(0, pack.length - cut), 'test'), DamagedObject, `cut by ${cut}`);
  }
  assert.throws(() => indexFromPack(Buffer.alloc(0), 'test'), DamagedObject);
  assert.throws(() => indexFromPack(Buffer.alloc(64), 'test'), DamagedObject);
  const tailBytes = pack.length - stored.reduce((sum, { length }) => sum + length, 0);
  for (let at = pack.length - tailBytes; at < pack.length; at++) {
    const flipped = Buffer.from(pack);
    flipped[at]! ^= 0xff;
    try {
      indexFromPack(flipped, 'test');
    } catch (failure) {
      assert.ok(failure instanceof DamagedObject, `byte ${at}: ${String(failure)}`);
    }
  }
});

test('a cut index, or one whose columns disagree, is refused', () => {
  for (let length = 0; length < index.length; length++) {
    assert.throws(() => new PackIndex(index.subarray(0, length), 'test'), DamagedObject, `cut to ${length}`);
  }
  const masks = 32 + 8 * FRAMES.length;
  for (const [what, at, value] of [
    ['magic', 0, 0],
    ['more frames', 24, 200],
    ['windows out of order', 32, 250],
    ['an empty mask', masks, 0],
    ['a mask with a grain more', masks, 0b1111],
    ['a mask of five bits', masks, 0b11001],
  ] as const) {
    const changed = Buffer.from(index);
    changed[at] = value;
    assert.throws(() => new PackIndex(changed, 'test'), DamagedObject, what);
  }
});

test('a frame that is cut, changed in any byte, or of another number of grains is refused', () => {
  const frame = stored[2]!;
  const whole = decodeFrame(frame, { grains: 2, where: 'test' });
  for (const grains of [1, 3, 4]) assert.throws(() => decodeFrame(frame, { grains, where: 'test' }), DamagedObject);
  for (let at = 0; at < frame.length; at += at < 64 ? 1 : 997) {
    assert.throws(
      () => decodeFrame(frame.subarray(0, at), { grains: 2, where: 'test' }),
      DamagedObject,
      `cut to ${at}`,
    );
    const flipped = Buffer.from(frame);
    flipped[at]! ^= 1;
    try {
      // A bit of the frame's header may mean nothing; the content is the same then.
      assert.ok(decodeFrame(flipped, { grains: 2, where: 'test' }).equals(whole), `byte ${at}`);
    } catch (failure) {
      assert.ok(failure instanceof DamagedObject, `byte ${at}: ${String(failure)}`);
    }
  }
});

test('a frame decompresses to no more than its grains, whatever it claims', () => {
  const bomb = encodeFrame(Buffer.alloc(4 * GRAIN_BYTES));
  assert.throws(() => decodeFrame(bomb, { grains: 1, where: 'test' }), DamagedObject);
});
