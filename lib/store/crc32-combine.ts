/**
 * The CRC32 of a whole from the CRC32s of its parts, so that no byte is read twice.
 *
 * A CRC is a remainder of polynomials over GF(2). Appending n bytes to a message multiplies its polynomial by x^(8n), so
 * crc(A . B) = crc(A) * x^(8 * bytes of B) mod P, plus crc(B). Initial and final inversion cancel out of the sum.
 */

import type { Bytes } from '#lib/units.ts';

/** P of ISO 3309, reflected as zlib has it: bit 31 is x^0, bit 0 is x^31. */
const POLYNOMIAL = 0xed_b8_83_20;
/** The polynomial 1. */
const ONE = 0x80_00_00_00;
/** The polynomial x^8: one byte further. */
const ONE_BYTE = 0x00_80_00_00;

/** Product of two polynomials modulo P. */
function multiply(left: number, right: number): number {
  let product = 0;
  let shifted = right;
  for (let bit = ONE; bit !== 0; bit >>>= 1) {
    if ((left & bit) !== 0) product ^= shifted;
    shifted = (shifted & 1) === 0 ? shifted >>> 1 : (shifted >>> 1) ^ POLYNOMIAL;
  }
  return product >>> 0;
}

/** x^(8 * bytes) modulo P by squaring; division instead of shifts because objects pass 4 GiB. */
function shiftBy(bytes: Bytes): number {
  let power = ONE;
  let square = ONE_BYTE;
  for (let rest = bytes; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) power = multiply(power, square);
    square = multiply(square, square);
  }
  return power;
}

/** CRC32 of `first` followed by `next`; 0 is the CRC32 of nothing. */
export function combineCrc32(first: number, next: { readonly crc32: number; readonly bytes: Bytes }): number {
  return (multiply(first, shiftBy(next.bytes)) ^ next.crc32) >>> 0;
}
