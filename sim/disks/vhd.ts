/**
 * Dynamic and differencing VHD streams.
 *
 *   0      footer copy          512 bytes
 *   512    dynamic header      1024
 *   1536   block table         4 bytes per 2 MiB block, padded to sectors with 0xff
 *   ...    for each present block: sector bitmap 512, data 2 MiB
 *   end    footer               512
 *
 * All numbers are big-endian. The table comes before any data, so a reader may stop after it.
 */

import { createHash } from 'node:crypto';
import { type DiskImage, GRAIN_BYTES } from './disk-layers.ts';

export const VHD_BLOCK_BYTES = 2 * 1_048_576;
export const SECTOR_BYTES = 512;
export const DYNAMIC_HEADER_OFFSET = 512;
export const TABLE_OFFSET = 1536;
const BITMAP_BYTES = VHD_BLOCK_BYTES / SECTOR_BYTES / 8;
const ABSENT = 0xffff_ffff;
const DYNAMIC = 3;
const DIFFERENCING = 4;
/** VHD times count from here. */
const EPOCH_MS = Date.UTC(2000, 0, 1);

/** The largest disk the format's driver accepts. */
export const MAX_VHD_BYTES = 2040 * 1024 ** 3;

export interface VhdSource {
  readonly uuid: string;
  readonly image: DiskImage;
  /** Only what differs from this disk is in the stream. */
  readonly base?: { readonly uuid: string; readonly image: DiskImage };
  readonly time: Date;
}

export async function* vhdStream(source: VhdSource): AsyncGenerator<Buffer> {
  const { image } = source;
  const blocks = Math.ceil(image.sizeBytes / VHD_BLOCK_BYTES);
  const present = Array.from({ length: blocks }, (_, block) => block).filter(
    (block) => grainsOf(source, block).length > 0,
  );
  const footer = makeFooter(source);
  yield footer;
  yield makeDynamicHeader(source, blocks);
  yield makeTable(blocks, present);
  for (const block of present) {
    yield makeBitmap(source, block);
    yield await image.read(block * VHD_BLOCK_BYTES, VHD_BLOCK_BYTES);
  }
  yield footer;
}

/** Grains of one block that belong into the stream. */
function grainsOf({ image, base }: VhdSource, block: number): number[] {
  const perBlock = VHD_BLOCK_BYTES / GRAIN_BYTES;
  const grains = Array.from({ length: perBlock }, (_, index) => block * perBlock + index);
  return grains.filter((grain) => (base ? !image.sharesGrain(base.image, grain) : !image.isHole(grain)));
}

function makeBitmap(source: VhdSource, block: number): Buffer {
  const bitmap = Buffer.alloc(BITMAP_BYTES);
  const bytesPerGrain = GRAIN_BYTES / SECTOR_BYTES / 8;
  const first = (block * VHD_BLOCK_BYTES) / GRAIN_BYTES;
  for (const grain of grainsOf(source, block)) {
    const at = (grain - first) * bytesPerGrain;
    bitmap.fill(0xff, at, at + bytesPerGrain);
  }
  return bitmap;
}

function makeTable(blocks: number, present: readonly number[]): Buffer {
  const table = Buffer.alloc(Math.ceil((blocks * 4) / SECTOR_BYTES) * SECTOR_BYTES, 0xff);
  let sector = (TABLE_OFFSET + table.length) / SECTOR_BYTES;
  for (const block of present) {
    table.writeUInt32BE(sector, block * 4);
    sector += (BITMAP_BYTES + VHD_BLOCK_BYTES) / SECTOR_BYTES;
  }
  return table;
}

function makeFooter({ uuid, image, base, time }: VhdSource): Buffer {
  const footer = Buffer.alloc(512);
  footer.write('conectix', 0, 'latin1');
  footer.writeUInt32BE(2, 8);
  footer.writeUInt32BE(0x0001_0000, 12);
  footer.writeBigUInt64BE(BigInt(DYNAMIC_HEADER_OFFSET), 16);
  footer.writeUInt32BE(vhdTime(time), 24);
  // Readers that know this creator take the size from the size field, not from the rounded geometry.
  footer.write('tap\0', 28, 'latin1');
  footer.writeUInt32BE(0x0001_0003, 32);
  footer.writeBigUInt64BE(BigInt(image.sizeBytes), 40);
  footer.writeBigUInt64BE(BigInt(image.sizeBytes), 48);
  geometry(image.sizeBytes).copy(footer, 56);
  footer.writeUInt32BE(base ? DIFFERENCING : DYNAMIC, 60);
  uuidBytes(uuid).copy(footer, 68);
  footer.writeUInt32BE(checksum(footer), 64);
  return footer;
}

function makeDynamicHeader({ base, time }: VhdSource, blocks: number): Buffer {
  const header = Buffer.alloc(1024);
  header.write('cxsparse', 0, 'latin1');
  header.writeBigUInt64BE(0xffff_ffff_ffff_ffffn, 8);
  header.writeBigUInt64BE(BigInt(TABLE_OFFSET), 16);
  header.writeUInt32BE(0x0001_0000, 24);
  header.writeUInt32BE(blocks, 28);
  header.writeUInt32BE(VHD_BLOCK_BYTES, 32);
  if (base) {
    uuidBytes(base.uuid).copy(header, 40);
    header.writeUInt32BE(vhdTime(time), 56);
    Buffer.from(`${base.uuid}.vhd`, 'utf16le').swap16().copy(header, 64);
  }
  header.writeUInt32BE(checksum(header), 36);
  return header;
}

/** The complement of the byte sum, with the checksum field itself still zero. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (const byte of bytes) sum += byte;
  return ~sum >>> 0;
}

function vhdTime(time: Date): number {
  return Math.max(0, Math.floor((time.getTime() - EPOCH_MS) / 1000));
}

function uuidBytes(uuid: string): Buffer {
  const hex = uuid.replaceAll('-', '');
  return /^[0-9a-f]{32}$/.test(hex) ? Buffer.from(hex, 'hex') : createHash('md5').update(uuid).digest();
}

/** Cylinders u16 | heads u8 | sectors u8, as far as the old fields reach. */
function geometry(sizeBytes: number): Buffer {
  const sectors = Math.min(sizeBytes / SECTOR_BYTES, 65_535 * 16 * 255);
  const bytes = Buffer.alloc(4);
  const perTrack = sectors > 65_535 * 16 * 63 ? 255 : 63;
  bytes.writeUInt16BE(Math.min(65_535, Math.floor(sectors / perTrack / 16)), 0);
  bytes[2] = 16;
  bytes[3] = perTrack;
  return bytes;
}

export interface VhdBlock {
  readonly block: number;
  readonly bitmap: Buffer;
  readonly data: Buffer;
}

/** Reads a VHD from a stream of bytes; blocks come in the order of the file. Parents are not followed. */
export async function* readVhd(exactly: (bytes: number) => Promise<Buffer>): AsyncGenerator<VhdBlock> {
  const footer = await exactly(512);
  if (footer.toString('latin1', 0, 8) !== 'conectix') throw new Error('the stream does not begin with a VHD footer');
  const headerOffset = Number(footer.readBigUInt64BE(16));
  await exactly(headerOffset - 512);
  const header = await exactly(1024);
  const tableOffset = Number(header.readBigUInt64BE(16));
  await exactly(tableOffset - headerOffset - 1024);
  const entries = header.readUInt32BE(28);
  const blockBytes = header.readUInt32BE(32);
  const tableBytes = Math.ceil((entries * 4) / SECTOR_BYTES) * SECTOR_BYTES;
  const table = await exactly(tableBytes);
  const bitmapBytes = Math.ceil(blockBytes / SECTOR_BYTES / 8 / SECTOR_BYTES) * SECTOR_BYTES;
  let position = tableOffset + tableBytes;
  for (const { block, offsetBytes } of inFileOrder(table, entries)) {
    await exactly(offsetBytes - position);
    yield { block, bitmap: await exactly(bitmapBytes), data: await exactly(blockBytes) };
    position = offsetBytes + bitmapBytes + blockBytes;
  }
}

function inFileOrder(table: Buffer, entries: number): { block: number; offsetBytes: number }[] {
  return Array.from({ length: entries }, (_, block) => ({ block, sector: table.readUInt32BE(block * 4) }))
    .filter(({ sector }) => sector !== ABSENT)
    .map(({ block, sector }) => ({ block, offsetBytes: sector * SECTOR_BYTES }))
    .sort((a, b) => a.offsetBytes - b.offsetBytes);
}
