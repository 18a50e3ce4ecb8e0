/**
 * The beginning of a VHD stream, which says where the disk has data. All numbers are big-endian.
 *
 * ```
 *   0       footer copy    512   "conectix", 16: offset of the header, 48: size of the disk, 60: type 3 (dynamic),
 *                                64: checksum
 *   header  dynamic header 1024  "cxsparse", 16: offset of the table, 28: entries, 32: bytes per block, 36: checksum
 *   table   4 bytes per block    0xffffffff: the block was never written
 *   ...     data, which nobody needs here
 * ```
 *
 * Source: Microsoft's Virtual Hard Disk Image Format Specification, 1.0.
 */

import type { Bytes } from '#lib/units.ts';
import { UnexpectedReply } from './failures.ts';

const COOKIE_BYTES = 8;
const FOOTER_BYTES = 512;
const HEADER_BYTES = 1024;
const DYNAMIC = 3;
const ABSENT = 0xffff_ffff;
/** Header and table follow each other closely; a table of the largest disk (2040 GiB in blocks of 2 MiB) has 4 MiB. */
const MAX_TABLE_OFFSET = 1_048_576;
const MAX_ENTRIES = 1_048_576;
const MIN_BLOCK_BYTES = 512 * 1024;

/** Half-open byte range [start, end). */
export interface AllocatedRange {
  readonly start: Bytes;
  readonly end: Bytes;
}

export interface VhdTable {
  readonly diskBytes: Bytes;
  /** In disk order, neighbours joined; everything else was never written. */
  readonly allocated: readonly AllocatedRange[];
}

/** How many bytes of the stream are needed to say more, or the table. Throws UnexpectedReply for anything but a VHD. */
export function readVhdTable(start: Buffer): { readonly needBytes: number } | VhdTable {
  if (start.length < COOKIE_BYTES) return { needBytes: COOKIE_BYTES };
  requireCookie(start, 'conectix');
  if (start.length < FOOTER_BYTES) return { needBytes: FOOTER_BYTES };
  const footer = start.subarray(0, FOOTER_BYTES);
  requireChecksum(footer, 64);
  if (footer.readUInt32BE(60) !== DYNAMIC) throw new UnexpectedReply('The exported VHD is not a dynamic one.');
  const headerAt = bounded(footer.readBigUInt64BE(16), { what: 'offset of the header', max: MAX_TABLE_OFFSET });
  if (start.length < headerAt + HEADER_BYTES) return { needBytes: headerAt + HEADER_BYTES };
  const header = start.subarray(headerAt, headerAt + HEADER_BYTES);
  requireCookie(header, 'cxsparse');
  requireChecksum(header, 36);
  const tableAt = bounded(header.readBigUInt64BE(16), { what: 'offset of the table', max: MAX_TABLE_OFFSET });
  const entries = bounded(BigInt(header.readUInt32BE(28)), { what: 'number of blocks', max: MAX_ENTRIES });
  const blockBytes = header.readUInt32BE(32);
  const diskBytes = Number(footer.readBigUInt64BE(48));
  if (blockBytes < MIN_BLOCK_BYTES || entries * blockBytes < diskBytes) {
    throw new UnexpectedReply(`The VHD has ${entries} blocks of ${blockBytes} bytes for a disk of ${diskBytes} bytes.`);
  }
  const tableEnd = tableAt + entries * 4;
  if (start.length < tableEnd) return { needBytes: tableEnd };
  return { diskBytes, allocated: rangesOf(start.subarray(tableAt, tableEnd), blockBytes, diskBytes) };
}

function rangesOf(table: Buffer, blockBytes: number, diskBytes: Bytes): AllocatedRange[] {
  const ranges: { start: Bytes; end: Bytes }[] = [];
  // A table may be longer than its disk; what it says of blocks behind the end is nobody's data.
  for (let block = 0; block * 4 < table.length && block * blockBytes < diskBytes; block++) {
    if (table.readUInt32BE(block * 4) === ABSENT) continue;
    const start = block * blockBytes;
    const end = Math.min(start + blockBytes, diskBytes);
    const last = ranges.at(-1);
    if (last?.end === start) last.end = end;
    else ranges.push({ start, end });
  }
  return ranges;
}

/** A host that fails after its 200 sends a whole second answer in the stream: it begins with `HTTP/`. */
function requireCookie(part: Buffer, cookie: string): void {
  if (part.toString('latin1', 0, COOKIE_BYTES) === cookie) return;
  const second = part.toString('latin1', 0, 5) === 'HTTP/';
  throw new UnexpectedReply(
    second ? 'The export turned into an error of the host after it had begun.' : `The export has no ${cookie} part.`,
  );
}

/** The complement of the sum of all bytes, those of the checksum itself left out. */
function requireChecksum(part: Buffer, at: number): void {
  let sum = 0;
  for (const [index, byte] of part.entries()) sum += index >= at && index < at + 4 ? 0 : byte;
  if (~sum >>> 0 !== part.readUInt32BE(at)) throw new UnexpectedReply('A checksum in the exported VHD is wrong.');
}

function bounded(value: bigint, { what, max }: { what: string; max: number }): number {
  if (value > BigInt(max)) throw new UnexpectedReply(`The ${what} in the exported VHD is ${value}, beyond ${max}.`);
  return Number(value);
}
