import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnexpectedReply } from '#lib/xapi/failures.ts';
import { readVhdTable } from '#lib/xapi/vhd-table.ts';

const BLOCK = 2 * 1_048_576;

/** The start of a dynamic VHD with the given blocks present, written by hand from the format's specification. */
function vhdStart({
  blocks,
  present,
  tableAt = 1536,
}: {
  blocks: number;
  present: number[];
  tableAt?: number;
}): Buffer {
  const bytes = Buffer.alloc(tableAt + blocks * 4, 0xff);
  bytes.fill(0, 0, tableAt);
  bytes.write('conectix', 0);
  bytes.writeBigUInt64BE(512n, 16);
  bytes.writeBigUInt64BE(BigInt(blocks * BLOCK), 48);
  bytes.writeUInt32BE(3, 60);
  bytes.write('cxsparse', 512);
  bytes.writeBigUInt64BE(BigInt(tableAt), 512 + 16);
  bytes.writeUInt32BE(blocks, 512 + 28);
  bytes.writeUInt32BE(BLOCK, 512 + 32);
  for (const block of present) bytes.writeUInt32BE(100 + block, tableAt + block * 4);
  seal(bytes);
  return bytes;
}

function seal(bytes: Buffer): void {
  for (const [start, length, at] of [
    [0, 512, 64],
    [512, 1024, 36],
  ] as const) {
    bytes.writeUInt32BE(0, start + at);
    const sum = bytes.subarray(start, start + length).reduce((total, byte) => total + byte, 0);
    bytes.writeUInt32BE(~sum >>> 0, start + at);
  }
}

/** As the client does: asks again with as many bytes as were wanted. */
function readInSteps(bytes: Buffer) {
  const asked: number[] = [];
  for (let have = 1; ; ) {
    const answer = readVhdTable(bytes.subarray(0, have));
    if (!('needBytes' in answer)) return { answer, asked };
    assert.ok(answer.needBytes > have && answer.needBytes <= bytes.length, `wants ${answer.needBytes} after ${have}`);
    have = answer.needBytes;
    asked.push(have);
  }
}

test('the table is read with no byte behind it, and neighbours become one range', () => {
  const { answer, asked } = readInSteps(vhdStart({ blocks: 6, present: [0, 1, 4], tableAt: 2048 }));
  assert.deepEqual(answer, {
    diskBytes: 6 * BLOCK,
    allocated: [
      { start: 0, end: 2 * BLOCK },
      { start: 4 * BLOCK, end: 5 * BLOCK },
    ],
  });
  assert.deepEqual(asked, [8, 512, 1536, 2048 + 24]);
});

test('the last block ends where the disk ends', () => {
  const bytes = vhdStart({ blocks: 2, present: [1] });
  bytes.writeBigUInt64BE(BigInt(BLOCK + 512), 48);
  seal(bytes);
  const { answer } = readInSteps(bytes);
  assert.deepEqual(answer.allocated, [{ start: BLOCK, end: BLOCK + 512 }]);
});

for (const [what, spoil] of [
  ['a second HTTP answer', (bytes: Buffer) => void bytes.write('HTTP/1.1 500 Internal Server Error', 0)],
  ['a flipped bit in the footer', (bytes: Buffer) => void bytes.writeUInt8(bytes.readUInt8(100) ^ 1, 100)],
  ['a flipped bit in the header', (bytes: Buffer) => void bytes.writeUInt8(bytes.readUInt8(700) ^ 1, 700)],
  ['a differencing disk', (bytes: Buffer) => sealed(bytes, bytes.writeUInt32BE(4, 60))],
  ['a table beyond all bounds', (bytes: Buffer) => sealed(bytes, bytes.writeBigUInt64BE(1n << 40n, 512 + 16))],
  ['fewer blocks than the disk has', (bytes: Buffer) => sealed(bytes, bytes.writeUInt32BE(1, 512 + 28))],
] as const) {
  test(`${what} is refused instead of being taken for holes`, () => {
    const bytes = vhdStart({ blocks: 3, present: [0] });
    spoil(bytes);
    assert.throws(() => readInSteps(bytes), UnexpectedReply);
  });
}

function sealed(bytes: Buffer, _written: number): void {
  seal(bytes);
}

test('blocks that a table has behind the end of its disk are no allocated range', () => {
  const bytes = vhdStart({ blocks: 6, present: [0, 5] });
  bytes.writeBigUInt64BE(BigInt(BLOCK + 512), 48);
  seal(bytes);
  const { answer } = readInSteps(bytes);
  assert.deepEqual(answer, { diskBytes: BLOCK + 512, allocated: [{ start: 0, end: BLOCK }] });
});
