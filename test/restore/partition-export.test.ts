import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { fileSystemKind } from '#lib/restore/file-system-kind.ts';
import { PartitionExport } from '#lib/restore/partition-export.ts';
import { MemoryDisk } from '../nbd-server/memory-disk.ts';

const content = randomBytes(100_000);
const disk = new MemoryDisk('0', content);

test('a partition has the bytes of its range, and a size of its own', async () => {
  const partition = new PartitionExport(disk, { start: 30_000, end: 70_000 });
  assert.equal(partition.diskBytes, 40_000);
  const read = Buffer.concat(await partition.read(1_000, 39_000));
  assert.ok(read.equals(content.subarray(31_000, 70_000)));
  const extents = await partition.extents({ offsetBytes: 1_000, lengthBytes: 39_000 }, 100);
  assert.equal(
    extents.reduce((sum, { bytes }) => sum + bytes, 0),
    39_000,
  );
});

test('a partition that its table puts behind the end of the disk ends where the disk does', () => {
  assert.equal(new PartitionExport(disk, { start: 90_000, end: 1e15 }).diskBytes, 10_000);
  assert.equal(new PartitionExport(disk, { start: 1e15, end: 2e15 }).diskBytes, 0);
});

test('a read that fails is told with its range of the whole disk', async () => {
  const failing = new MemoryDisk('0', content);
  failing.read = () => Promise.reject(new Error('gone'));
  const told: unknown[] = [];
  const partition = new PartitionExport(failing, { start: 30_000, end: 70_000 }, (_, range) => told.push(range));
  await assert.rejects(partition.read(100, 50), /gone/);
  assert.deepEqual(told, [{ start: 30_100, end: 30_150 }]);
});

test('a file system is known by its mark, and an empty or short beginning by none', () => {
  const head = (at: number, mark: string) => {
    const bytes = Buffer.alloc(131_072);
    bytes.write(mark, at, 'latin1');
    return bytes;
  };
  assert.equal(fileSystemKind(head(3, 'NTFS    ')), 'NTFS');
  assert.equal(fileSystemKind(head(1080, '\x53\xef')), 'ext2/3/4');
  assert.equal(fileSystemKind(head(65_600, '_BHRfS_M')), 'Btrfs');
  assert.equal(fileSystemKind(Buffer.alloc(131_072)), undefined);
  assert.equal(fileSystemKind(Buffer.from('XFS')), undefined);
});
