/** How many objects and requests storing takes. */

import type { Bytes } from '#lib/units.ts';

export interface PackLayout {
  /** Disk content that goes into one pack, before compression. */
  readonly packBytes: Bytes;
  readonly partBytes: Bytes;
  /** Stored bytes for one byte of content. */
  readonly storedRatio: number;
}

/** CreateMultipartUpload, CompleteMultipartUpload, and the PUT of the pack's index. */
const PUTS_BESIDE_PARTS = 3;
/** A pack that fits into one part is put at once; its index beside it. */
const PUTS_OF_SMALL_PACK = 2;

/** Packs and the requests, billed as PUT, that store `bytes` of content. */
export function packRequests(bytes: Bytes, layout: PackLayout): { packs: number; parts: number; puts: number } {
  const packs = Math.ceil(bytes / layout.packBytes);
  const parts = Math.ceil((Math.min(bytes, layout.packBytes) * layout.storedRatio) / layout.partBytes);
  const puts = packs * (parts > 1 ? parts + PUTS_BESIDE_PARTS : PUTS_OF_SMALL_PACK);
  return { packs, parts: packs * parts, puts };
}
