/**
 * Where everything lies in a dynamic VHD, known before the first byte of data is there, so that it can be written in any
 * order (Microsoft, Virtual Hard Disk Image Format Specification, 1.0; all integers big-endian):
 *
 * ```
 * copy of the footer 512 | dynamic header 1024 | block table: u32 sector of each block | blocks ... | footer 512
 * block: bitmap of 512 bytes, one bit for each sector | 2 MiB of data
 * ```
 *
 * Only blocks that hold data are there; their bitmaps are all ones.
 */

import { Failure } from '#lib/failure.ts';
import type { GrainRun } from '#lib/format/grain-bitmap.ts';
import { type Bytes, GIB, GRAIN_BYTES, MIB } from '#lib/units.ts';

const SECTOR_BYTES = 512;
const BLOCK_BYTES = 2 * MIB;
const FOOTER_BYTES = 512;
const HEADER_BYTES = 1024;
/** One bit for each of the 4096 sectors of a block. */
const BITMAP_BYTES = 512;
const UNALLOCATED = 0xffffffff;
/** Of the format as Hyper-V, XenServer and qemu use it. */
const MAX_DISK_BYTES = 2040 * GIB;
/** Seconds are counted from 2000-01-01 00:00:00 UTC. */
const VHD_EPOCH_MS = Date.UTC(2000, 0, 1);
const DYNAMIC = 3;
/** The bitmap of a block of which every sector counts, those that read as zeros too. */
const ALL_ONES = Buffer.alloc(BITMAP_BYTES, 0xff);

/** The disk is larger than a VHD may be. */
export class TooLargeForVhd extends Failure {
  static override readonly failureName = 'TooLargeForVhd';
}

export interface VhdDisk {
  readonly diskBytes: Bytes;
  readonly data: readonly GrainRun[];
  /** A UUID; becomes the unique id of the image. */
  readonly id: string;
  readonly created: Date;
}

export class VhdLayout {
  readonly fileBytes: Bytes;
  readonly #footer: Buffer;
  readonly #header: Buffer;
  readonly #table: Buffer;
  readonly #blocks: number[] = [];

  constructor({ diskBytes, data, id, created }: VhdDisk) {
    if (diskBytes > MAX_DISK_BYTES) {
      throw new TooLargeForVhd(`a VHD holds at most 2040 GiB and the disk has ${diskBytes} bytes; restore it as raw`);
    }
    // A VHD counts sectors. XenServer's disks are whole sectors; for others the rest of the last one reads as zeros.
    const virtualBytes = Math.ceil(diskBytes / SECTOR_BYTES) * SECTOR_BYTES;
    const entries = Math.ceil(virtualBytes / BLOCK_BYTES);
    this.#footer = encodeFooter({ virtualBytes, id, created });
    this.#header = encodeHeader(entries);
    this.#table = Buffer.alloc(Math.ceil((entries * 4) / SECTOR_BYTES) * SECTOR_BYTES, 0xff);
    let end = FOOTER_BYTES + HEADER_BYTES + this.#table.length;
    for (const block of blocksWith(data)) {
      this.#table.writeUInt32BE(end / SECTOR_BYTES, block * 4);
      this.#blocks.push(end);
      end += BITMAP_BYTES + BLOCK_BYTES;
    }
    this.fileBytes = end + FOOTER_BYTES;
  }

  /** Everything but the data. */
  *structure(): Generator<{ offsetBytes: Bytes; data: Buffer }> {
    yield { offsetBytes: 0, data: Buffer.concat([this.#footer, this.#header, this.#table]) };
    for (const offsetBytes of this.#blocks) yield { offsetBytes, data: ALL_ONES };
    yield { offsetBytes: this.fileBytes - FOOTER_BYTES, data: this.#footer };
  }

  /** Where the data of a disk offset lies in the file, up to the end of its 2 MiB block. */
  fileOffsetOf(diskOffset: Bytes): Bytes {
    const block = Math.floor(diskOffset / BLOCK_BYTES);
    const sector = this.#table.readUInt32BE(block * 4);
    if (sector === UNALLOCATED) throw new TypeError(`disk offset ${diskOffset} lies in a hole of the VHD`);
    return sector * SECTOR_BYTES + BITMAP_BYTES + (diskOffset % BLOCK_BYTES);
  }
}

function* blocksWith(data: readonly GrainRun[]): Generator<number> {
  const grainsPerBlock = BLOCK_BYTES / GRAIN_BYTES;
  let next = 0;
  for (const run of data) {
    const end = Math.ceil(run.end / grainsPerBlock);
    for (let block = Math.max(next, Math.floor(run.first / grainsPerBlock)); block < end; block++) yield block;
    next = Math.max(next, end);
  }
}

function encodeFooter({
  virtualBytes,
  id,
  created,
}: Pick<VhdDisk, 'id' | 'created'> & { virtualBytes: Bytes }): Buffer {
  const footer = Buffer.alloc(FOOTER_BYTES);
  const { cylinders, heads, sectors } = geometryOf(virtualBytes / SECTOR_BYTES);
  footer.write('conectix', 0, 'latin1');
  footer.writeUInt32BE(2, 8);
  footer.writeUInt32BE(0x00010000, 12);
  footer.writeBigUInt64BE(BigInt(FOOTER_BYTES), 16);
  footer.writeUInt32BE(Math.max(0, Math.floor((created.getTime() - VHD_EPOCH_MS) / 1000)), 24);
  // qemu takes the size from the rounded geometry unless it knows the creator as one whose size field is exact; this is
  // such a one, and to XenServer it says that there is no batmap behind the block table, which there is not.
  footer.write('win ', 28, 'latin1');
  footer.writeUInt32BE(0x000a0000, 32);
  footer.write('Wi2k', 36, 'latin1');
  footer.writeBigUInt64BE(BigInt(virtualBytes), 40);
  footer.writeBigUInt64BE(BigInt(virtualBytes), 48);
  footer.writeUInt16BE(cylinders, 56);
  footer.writeUInt8(heads, 58);
  footer.writeUInt8(sectors, 59);
  footer.writeUInt32BE(DYNAMIC, 60);
  footer.write(id.replaceAll('-', ''), 68, 'hex');
  footer.writeUInt32BE(checksumOf(footer), 64);
  return footer;
}

function encodeHeader(entries: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.write('cxsparse', 0, 'latin1');
  header.writeBigUInt64BE(0xffffffffffffffffn, 8);
  header.writeBigUInt64BE(BigInt(FOOTER_BYTES + HEADER_BYTES), 16);
  header.writeUInt32BE(0x00010000, 24);
  header.writeUInt32BE(entries, 28);
  header.writeUInt32BE(BLOCK_BYTES, 32);
  header.writeUInt32BE(checksumOf(header), 36);
  return header;
}

/** Ones' complement of the sum of all bytes, the checksum field counting as zeros. */
function checksumOf(bytes: Buffer): number {
  return ~bytes.reduce((sum, byte) => sum + byte, 0) >>> 0;
}

/** Appendix "CHS Calculation" of the specification, in its own numbers. */
function geometryOf(totalSectors: number): { cylinders: number; heads: number; sectors: number } {
  const total = Math.min(totalSectors, 65535 * 16 * 255);
  if (total >= 65535 * 16 * 63) return { cylinders: Math.floor(total / 255 / 16), heads: 16, sectors: 255 };
  let sectors = 17;
  let heads = Math.max(4, Math.floor((Math.floor(total / 17) + 1023) / 1024));
  if (Math.floor(total / 17) >= heads * 1024 || heads > 16) {
    sectors = 31;
    heads = 16;
  }
  if (Math.floor(total / sectors) >= heads * 1024) {
    sectors = 63;
    heads = 16;
  }
  return { cylinders: Math.floor(Math.floor(total / sectors) / heads), heads, sectors };
}
