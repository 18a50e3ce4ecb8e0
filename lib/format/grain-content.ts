/** What a grain holds, as far as storing it goes: nothing but zeros, or content known by its digest. */

import { hash } from 'node:crypto';
import { GRAIN_BYTES } from '#lib/units.ts';

/** Bytes of a grain digest: SHA-256 truncated to 128 bits, plenty against accident within one disk. */
export const DIGEST_BYTES = 16;

const ZEROS = Buffer.alloc(GRAIN_BYTES);

export function isZero(grain: Buffer): boolean {
  return grain.equals(grain.length === GRAIN_BYTES ? ZEROS : ZEROS.subarray(0, grain.length));
}

/** The first 16 bytes of the grain's SHA-256. */
export function grainDigest(grain: Buffer): Buffer {
  return hash('sha256', grain, 'buffer').subarray(0, DIGEST_BYTES);
}
