/**
 * A frame: the stored grains of one aligned 256 KiB window, one behind the other, as one zstd frame with content size
 * and content checksum. zstd stores what it cannot compress as it is, so there is no codec flag.
 */

import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { GRAIN_BYTES, MIB, WINDOW_GRAINS } from '#lib/units.ts';
import { DamagedObject } from './failures.ts';

const FRAME_LEVEL = 1;
/** Largest content of a frame. */
export const FRAME_CONTENT_BYTES = WINDOW_GRAINS * GRAIN_BYTES;
/** zstd's own bound is content + content/256 + 64 for small inputs; one output chunk of this size is never outgrown. */
export const FRAME_CHUNK_BYTES = FRAME_CONTENT_BYTES + 4096;
export const FRAME_PARAMS = {
  [constants.ZSTD_c_compressionLevel]: FRAME_LEVEL,
  [constants.ZSTD_c_checksumFlag]: 1,
};

/** Compresses `content` (at most 256 KiB). The result is a buffer of its own. */
export function encodeFrame(content: Buffer): Buffer {
  return zstdCompressSync(content, {
    chunkSize: FRAME_CHUNK_BYTES,
    pledgedSrcSize: content.length,
    params: FRAME_PARAMS,
  });
}

/**
 * Decompresses a frame of `grains` grains, of which only the last may be short; throws DamagedObject that names `where`.
 */
export function decodeFrame(frame: Buffer, { grains, where }: { grains: number; where: string }): Buffer {
  const wholeBytes = grains * GRAIN_BYTES;
  let content: Buffer;
  try {
    content = zstdDecompressSync(frame, { chunkSize: FRAME_CHUNK_BYTES, maxOutputLength: wholeBytes });
  } catch (cause) {
    throw new DamagedObject(`${where} does not decompress to ${grains} grains`, { cause });
  }
  if (content.length <= wholeBytes - GRAIN_BYTES) {
    throw new DamagedObject(`${where} decompresses to ${content.length} bytes where ${grains} grains were stored`);
  }
  return content;
}

/** Compresses a manifest section; compactness counts more than speed here. */
export function encodeSectionBody(body: Buffer): Buffer {
  return zstdCompressSync(body, {
    pledgedSrcSize: body.length,
    params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 },
  });
}

/** A dense section of 262,144 one-grain extents needs 3 x 5 bytes each: 4 MiB bounds every honest section. */
const SECTION_BODY_LIMIT_BYTES = 4 * MIB;

export function decodeSectionBody(stored: Buffer, where: string): Buffer {
  return unpacked(stored, { limitBytes: SECTION_BODY_LIMIT_BYTES, where });
}

/** Level 1 makes headers smaller than level 3 does, in a quarter of the time: most of one is digests in hexadecimal. */
export function encodeManifestHeader(json: Buffer): Buffer {
  return zstdCompressSync(json, {
    pledgedSrcSize: json.length,
    params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 },
  });
}

/** 1.9 MiB for 16 TiB: eight times as much, and as much again for packs that hold little. */
const HEADER_LIMIT_BYTES = 32 * MIB;

export function decodeManifestHeader(stored: Buffer, where: string): Buffer {
  return unpacked(stored, { limitBytes: HEADER_LIMIT_BYTES, where: `the header of ${where}` });
}

function unpacked(stored: Buffer, { limitBytes, where }: { limitBytes: number; where: string }): Buffer {
  try {
    return zstdDecompressSync(stored, { maxOutputLength: limitBytes });
  } catch (cause) {
    throw new DamagedObject(`${where} does not decompress`, { cause });
  }
}
