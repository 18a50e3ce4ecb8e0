import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readPartitions } from '#lib/restore/partitions.ts';

const readerOf = (disk: Buffer) => (offset: number, length: number) =>
  Promise.resolve(disk.subarray(offset, offset + length));

function mbr(entries: readonly { type: number; first: number; sectors: number }[]): Buffer {
  const disk = Buffer.alloc(64 * 512);
  for (const [i, { type, first, sectors }] of entries.entries()) {
    disk.writeUInt8(type, 446 + 16 * i + 4);
    disk.writeUInt32LE(first, 446 + 16 * i + 8);
    disk.writeUInt32LE(sectors, 446 + 16 * i + 12);
  }
  disk.writeUInt16BE(0x55aa, 510);
  return disk;
}

test('the entries of an MBR are numbered from 1, empty ones counting', async () => {
  const disk = mbr([
    { type: 0x83, first: 2048, sectors: 4096 },
    { type: 0, first: 0, sectors: 0 },
    { type: 0x07, first: 8192, sectors: 100 },
  ]);
  assert.deepEqual(await readPartitions(readerOf(disk)), [
    { number: 1, offsetBytes: 2048 * 512, lengthBytes: 4096 * 512 },
    { number: 3, offsetBytes: 8192 * 512, lengthBytes: 100 * 512 },
  ]);
});

test('a GPT counts, not the protective MBR in front of it', async () => {
  const disk = mbr([{ type: 0xee, first: 1, sectors: 0xffffffff }]);
  disk.write('EFI PART', 512, 'latin1');
  disk.writeBigUInt64LE(4n, 512 + 72);
  disk.writeUInt32LE(8, 512 + 80);
  disk.writeUInt32LE(256, 512 + 84);
  const second = 4 * 512 + 256;
  disk.fill(0xaf, second, second + 16);
  disk.writeBigUInt64LE(2048n, second + 32);
  disk.writeBigUInt64LE(4095n, second + 40);
  assert.deepEqual(await readPartitions(readerOf(disk)), [
    { number: 2, offsetBytes: 2048 * 512, lengthBytes: 2048 * 512 },
  ]);
});

test('a disk without a partition table has no partitions', async () => {
  assert.deepEqual(await readPartitions(readerOf(Buffer.alloc(1024))), []);
});

test('a partition table that lies has no partitions, or those that are there, and is no error', async () => {
  assert.deepEqual(await readPartitions(readerOf(Buffer.alloc(100))), []);
  const disk = mbr([{ type: 0xee, first: 1, sectors: 0xffffffff }]);
  disk.write('EFI PART', 512, 'latin1');
  disk.writeUInt32LE(128, 512 + 80);
  for (const [entryBytes, tableSector] of [
    [16, 2n],
    [0, 2n],
    [0xffff_ffff, 2n],
    [128, 0xffff_ffff_ffff_ffffn],
  ] as const) {
    disk.writeUInt32LE(entryBytes, 512 + 84);
    disk.writeBigUInt64LE(tableSector, 512 + 72);
    assert.deepEqual(await readPartitions(readerOf(disk)), [], `entries of ${entryBytes} bytes from ${tableSector}`);
  }
});
