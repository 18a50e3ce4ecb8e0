/** Where the partitions of a disk lie: GPT, or the four entries of an MBR. */

import type { Bytes } from '#lib/units.ts';

const SECTOR_BYTES = 512;
/** 128 entries of 128 bytes is what every tool writes, and no smaller entry exists; larger tables are read this far. */
const MAX_GPT_ENTRIES = 128;
const MIN_GPT_ENTRY_BYTES = 128;
const MAX_GPT_ENTRY_BYTES = 4096;
const MBR_ENTRIES_OFFSET = 446;
const MBR_ENTRY_BYTES = 16;
const MBR_GPT_GUARD = 0xee;

export interface Partition {
  /** As tools number them, from 1; empty entries count. */
  readonly number: number;
  readonly offsetBytes: Bytes;
  readonly lengthBytes: Bytes;
}

/** Reads a range of the disk; less of it where the disk ends. */
export type ReadRange = (offsetBytes: Bytes, lengthBytes: Bytes) => Promise<Buffer>;

/** Empty for a disk without a partition table that can be read. A guest wrote it: it may say anything. */
export async function readPartitions(read: ReadRange): Promise<Partition[]> {
  const start = await read(0, 2 * SECTOR_BYTES);
  if (start.length < 2 * SECTOR_BYTES) return [];
  if (start.toString('latin1', SECTOR_BYTES, SECTOR_BYTES + 8) === 'EFI PART') return readGpt(start, read);
  if (start.readUInt16BE(SECTOR_BYTES - 2) !== 0x55aa) return [];
  return readMbr(start);
}

async function readGpt(start: Buffer, read: ReadRange): Promise<Partition[]> {
  const header = start.subarray(SECTOR_BYTES);
  const tableOffset = Number(header.readBigUInt64LE(72)) * SECTOR_BYTES;
  const entryBytes = header.readUInt32LE(84);
  if (entryBytes < MIN_GPT_ENTRY_BYTES || entryBytes > MAX_GPT_ENTRY_BYTES) return [];
  const table = await read(tableOffset, Math.min(header.readUInt32LE(80), MAX_GPT_ENTRIES) * entryBytes);
  return Array.from({ length: Math.floor(table.length / entryBytes) }, (_, i) => {
    const entry = table.subarray(i * entryBytes, (i + 1) * entryBytes);
    const first = Number(entry.readBigUInt64LE(32));
    const last = Number(entry.readBigUInt64LE(40));
    // An entry whose type is all zeros is free.
    const sectors = entry.subarray(0, 16).every((byte) => byte === 0) ? 0 : last - first + 1;
    return { number: i + 1, offsetBytes: first * SECTOR_BYTES, lengthBytes: sectors * SECTOR_BYTES };
  }).filter(({ lengthBytes }) => lengthBytes > 0);
}

/** Logical partitions within an extended one are not followed. */
function readMbr(start: Buffer): Partition[] {
  return Array.from({ length: 4 }, (_, i) => {
    const entry = start.subarray(MBR_ENTRIES_OFFSET + i * MBR_ENTRY_BYTES);
    const type = entry.readUInt8(4);
    const sectors = type === 0 || type === MBR_GPT_GUARD ? 0 : entry.readUInt32LE(12);
    const offsetBytes = entry.readUInt32LE(8) * SECTOR_BYTES;
    return { number: i + 1, offsetBytes, lengthBytes: sectors * SECTOR_BYTES };
  }).filter(({ lengthBytes }) => lengthBytes > 0);
}
