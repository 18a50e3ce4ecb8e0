/**
 * A pack is a valid zstd file: `zstd -dc` prints its grains in disk order, and readers of the zstd seekable format find
 * every frame.
 *
 * ```
 * frame 0 | frame 1 | ... | skippable frame 0x184D2A5D: the pack index | skippable frame 0x184D2A5E: the seek table
 * ```
 *
 * The seek table (zstd contrib/seekable_format) lists each frame as {u32 stored bytes, u32 content bytes}, the index as
 * one more entry without content, and ends with {u32 entries, u8 descriptor 0, u32 0x8F92EAB1}.
 */

import type { PackId } from '#lib/units.ts';
import { DamagedObject } from './failures.ts';
import { encodePackIndex, type FrameEntry, PackIndex } from './pack-index.ts';

const INDEX_FRAME_MAGIC = 0x184d2a5d;
const SEEK_TABLE_FRAME_MAGIC = 0x184d2a5e;
const SEEKABLE_MAGIC = 0x8f92eab1;
const SKIPPABLE_HEADER_BYTES = 8;
const SEEK_FOOTER_BYTES = 9;
const SEEK_ENTRY_BYTES = 8;

/** A frame with what the seek table needs beside the index. */
export interface PackedFrame extends FrameEntry {
  readonly contentBytes: number;
}

export interface PackTail {
  /** The index alone: the body of the index object. */
  readonly index: Buffer;
  /** Everything behind the last frame of the pack: index and seek table as skippable frames. */
  readonly tail: Buffer;
}

export function encodePackTail(pack: PackId, frames: readonly PackedFrame[]): PackTail {
  const index = encodePackIndex(pack, frames);
  const seekTable = Buffer.alloc((frames.length + 1) * SEEK_ENTRY_BYTES + SEEK_FOOTER_BYTES);
  frames.forEach((frame, i) => {
    seekTable.writeUInt32LE(frame.storedBytes, i * SEEK_ENTRY_BYTES);
    seekTable.writeUInt32LE(frame.contentBytes, i * SEEK_ENTRY_BYTES + 4);
  });
  seekTable.writeUInt32LE(SKIPPABLE_HEADER_BYTES + index.length, frames.length * SEEK_ENTRY_BYTES);
  const footer = seekTable.length - SEEK_FOOTER_BYTES;
  seekTable.writeUInt32LE(frames.length + 1, footer);
  seekTable.writeUInt32LE(SEEKABLE_MAGIC, footer + 5);
  return {
    index,
    tail: Buffer.concat([
      skippableHeader(INDEX_FRAME_MAGIC, index.length),
      index,
      skippableHeader(SEEK_TABLE_FRAME_MAGIC, seekTable.length),
      seekTable,
    ]),
  };
}

function skippableHeader(magic: number, bytes: number): Buffer {
  const header = Buffer.alloc(SKIPPABLE_HEADER_BYTES);
  header.writeUInt32LE(magic, 0);
  header.writeUInt32LE(bytes, 4);
  return header;
}

/** How many bytes from the end of the pack hold the seek table frame, told by its last 9 bytes. */
function seekTableFrameBytes(footer: Buffer, where: string): number {
  if (footer.length !== SEEK_FOOTER_BYTES || footer.readUInt32LE(5) !== SEEKABLE_MAGIC) {
    throw new DamagedObject(`pack ${where} does not end with a seek table`);
  }
  return SKIPPABLE_HEADER_BYTES + footer.readUInt32LE(0) * SEEK_ENTRY_BYTES + SEEK_FOOTER_BYTES;
}

/** Rebuilds the index object from the pack's own bytes, for when the index object is lost. */
export function indexFromPack(pack: Buffer, where: string): PackIndex {
  const tableFrameAt = pack.length - seekTableFrameBytes(pack.subarray(-SEEK_FOOTER_BYTES), where);
  const indexEntryAt = pack.length - SEEK_FOOTER_BYTES - SEEK_ENTRY_BYTES;
  const frameAt = tableFrameAt < 0 ? -1 : tableFrameAt - pack.readUInt32LE(indexEntryAt);
  const bodyAt = frameAt + SKIPPABLE_HEADER_BYTES;
  const fits = frameAt >= 0 && bodyAt <= tableFrameAt && pack.readUInt32LE(frameAt) === INDEX_FRAME_MAGIC;
  if (!fits || pack.readUInt32LE(frameAt + 4) !== tableFrameAt - bodyAt) {
    throw new DamagedObject(`pack ${where} has no index before its seek table`);
  }
  return new PackIndex(pack.subarray(bodyAt, tableFrameAt), where);
}
