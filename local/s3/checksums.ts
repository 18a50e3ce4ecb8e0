/** The checksums of S3: what a client may send along with a body, and how those of parts become that of a whole. */

import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

export type ChecksumAlgorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME' | 'SHA1' | 'SHA256';
/** FULL_OBJECT: of all bytes. COMPOSITE: of the parts' checksums, with their number behind a dash. */
export type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE';

export interface Checksum {
  readonly algorithm: ChecksumAlgorithm;
  /** Base64; `-N` behind it for COMPOSITE. */
  readonly value: string;
  readonly type: ChecksumType;
}

export const CHECKSUM_ALGORITHMS: readonly ChecksumAlgorithm[] = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'];

export function checksumAlgorithm(name: string): ChecksumAlgorithm | undefined {
  return CHECKSUM_ALGORITHMS.find((algorithm) => algorithm === name.toUpperCase());
}

/** Header or trailer that carries a value. */
export function checksumHeader(algorithm: ChecksumAlgorithm): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`;
}

/** A digest in the making. */
export interface Digest {
  update(bytes: Buffer): void;
  base64(): string;
}

export function startDigest(algorithm: ChecksumAlgorithm): Digest {
  switch (algorithm) {
    case 'CRC32':
      return crcDigest(4, (bytes, crc) => BigInt(crc32(bytes, Number(crc))));
    case 'CRC32C':
      return crcDigest(4, crc32c);
    case 'CRC64NVME':
      return crcDigest(8, crc64nvme);
    case 'SHA1':
    case 'SHA256': {
      const hash = createHash(algorithm.toLowerCase());
      return { update: (bytes) => void hash.update(bytes), base64: () => hash.digest('base64') };
    }
  }
}

function crcDigest(width: 4 | 8, next: (bytes: Buffer, crc: bigint) => bigint): Digest {
  let crc = 0n;
  return {
    update: (bytes) => {
      crc = next(bytes, crc);
    },
    base64: () => base64Of(crc, width),
  };
}

function base64Of(crc: bigint, width: 4 | 8): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(crc);
  return bytes.subarray(8 - width).toString('base64');
}

/** Reflected polynomials, as tables and combination use them. */
const POLYNOMIALS = { CRC32: 0xedb88320n, CRC32C: 0x82f63b78n, CRC64NVME: 0x9a6c9329ac4bc9b5n } as const;

const CRC32C_TABLE = Uint32Array.from({ length: 256 }, (_, byte) =>
  Number(tableEntry(BigInt(byte), POLYNOMIALS.CRC32C)),
);
const CRC64_ENTRIES = Array.from({ length: 256 }, (_, byte) => tableEntry(BigInt(byte), POLYNOMIALS.CRC64NVME));
const CRC64_HIGH = Uint32Array.from(CRC64_ENTRIES, (entry) => Number(entry >> 32n));
const CRC64_LOW = Uint32Array.from(CRC64_ENTRIES, (entry) => Number(entry & 0xffffffffn));

function tableEntry(byte: bigint, polynomial: bigint): bigint {
  let entry = byte;
  for (let bit = 0; bit < 8; bit++) entry = (entry & 1n) === 0n ? entry >> 1n : (entry >> 1n) ^ polynomial;
  return entry;
}

function crc32c(bytes: Buffer, before: bigint): bigint {
  let crc = ~Number(before);
  for (const byte of bytes) crc = (crc >>> 8) ^ (CRC32C_TABLE[(crc ^ byte) & 0xff] ?? 0);
  return BigInt(~crc >>> 0);
}

/** Two halves of 32 bits: a BigInt per byte would be fifty times slower. */
function crc64nvme(bytes: Buffer, before: bigint): bigint {
  let high = ~Number(before >> 32n);
  let low = ~Number(before & 0xffffffffn);
  for (const byte of bytes) {
    const index = (low ^ byte) & 0xff;
    low = ((low >>> 8) | (high << 24)) ^ (CRC64_LOW[index] ?? 0);
    high = (high >>> 8) ^ (CRC64_HIGH[index] ?? 0);
  }
  return (BigInt(~high >>> 0) << 32n) | BigInt(~low >>> 0);
}

/** The checksum of a multipart object from those of its parts. */
export function checksumOfParts(
  how: { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType },
  parts: readonly { readonly value: string; readonly bytes: number }[],
): Checksum {
  const { algorithm, type } = how;
  if (type === 'FULL_OBJECT' && algorithm !== 'SHA1' && algorithm !== 'SHA256') {
    return { algorithm, type, value: combined(algorithm, parts) };
  }
  const digest = startDigest(algorithm);
  for (const part of parts) digest.update(Buffer.from(part.value, 'base64'));
  return { algorithm, type: 'COMPOSITE', value: `${digest.base64()}-${parts.length}` };
}

/** crc(A.B) = crc(A) * x^(8 * bytes of B) + crc(B) over GF(2), modulo the polynomial. */
function combined(
  algorithm: keyof typeof POLYNOMIALS,
  parts: readonly { readonly value: string; readonly bytes: number }[],
): string {
  const width = algorithm === 'CRC64NVME' ? 8 : 4;
  const field = new Field(POLYNOMIALS[algorithm], BigInt(width * 8));
  // Nearly all parts have one size, so nearly every power is needed again.
  const powers = new Map<number, bigint>();
  let crc = 0n;
  for (const { value, bytes } of parts) {
    const power = powers.get(bytes) ?? field.powerOfX(BigInt(bytes) * 8n);
    powers.set(bytes, power);
    crc = field.multiply(crc, power) ^ BigInt(`0x${Buffer.from(value, 'base64').toString('hex')}`);
  }
  return base64Of(crc, width);
}

/** Polynomials modulo a reflected polynomial: the highest bit is x^0. */
class Field {
  readonly #polynomial: bigint;
  readonly #one: bigint;

  constructor(polynomial: bigint, bits: bigint) {
    this.#polynomial = polynomial;
    this.#one = 1n << (bits - 1n);
  }

  multiply(left: bigint, right: bigint): bigint {
    let product = 0n;
    let shifted = right;
    for (let bit = this.#one; bit > 0n; bit >>= 1n) {
      if ((left & bit) !== 0n) product ^= shifted;
      shifted = (shifted & 1n) === 0n ? shifted >> 1n : (shifted >> 1n) ^ this.#polynomial;
    }
    return product;
  }

  powerOfX(exponent: bigint): bigint {
    let power = this.#one;
    let square = this.#one >> 1n;
    for (let rest = exponent; rest > 0n; rest >>= 1n) {
      if ((rest & 1n) === 1n) power = this.multiply(power, square);
      square = this.multiply(square, square);
    }
    return power;
  }
}
