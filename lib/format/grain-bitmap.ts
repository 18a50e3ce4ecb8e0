/**
 * One bit for each grain of a disk, in the order in which XenServer reports changed blocks: bit 0 of the disk is the
 * most significant bit of byte 0. Bits past the end of the disk are 0.
 */

import { type GrainCount, type GrainIndex, indexAfter } from '#lib/units.ts';

/** Half-open run of grains [first, end). */
export interface GrainRun {
  readonly first: GrainIndex;
  readonly end: GrainIndex;
}

const BITS_SET = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length);

const WORD_GRAINS = 32;
const MANY_WORDS = 16;

/** In whole words of 32 bits, because byte by byte a bitmap of 16 TiB takes four times as long. */
function bitsSet(bytes: Uint8Array): number {
  // Words begin at multiples of four; bytes that do not are copied to where they do.
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  const words = new Int32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
  let total = 0;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? 0;
    // Sums of 2, of 4, of 8 bits beside each other, then of all four bytes by one multiplication.
    const pairs = word - ((word >>> 1) & 0x5555_5555);
    const fours = (pairs & 0x3333_3333) + ((pairs >>> 2) & 0x3333_3333);
    total += Math.imul((fours + (fours >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
  }
  return total;
}

export class GrainBitmap {
  readonly grains: GrainCount;
  readonly #bits: Uint8Array;

  /** Takes over `bits`; a shorter buffer stands for zeros behind it, bits past `grains` are cleared. */
  constructor(grains: GrainCount, bits?: Uint8Array) {
    this.grains = grains;
    const bytes = Math.ceil(grains / 8);
    if (bits !== undefined && bits.length >= bytes) this.#bits = bits.subarray(0, bytes);
    else {
      this.#bits = new Uint8Array(bytes);
      if (bits !== undefined) this.#bits.set(bits);
    }
    const spare = bytes * 8 - grains;
    const last = this.#bits[bytes - 1];
    if (last !== undefined && spare > 0) this.#bits[bytes - 1] = last & (0xff << spare);
  }

  /** The bits as stored and as the host sends them. */
  toBytes(): Uint8Array {
    return this.#bits;
  }

  has(grain: GrainIndex): boolean {
    return ((this.#bits[grain >>> 3] ?? 0) & (0x80 >>> (grain & 7))) !== 0;
  }

  add(grain: GrainIndex): void {
    const at = grain >>> 3;
    this.#bits[at] = (this.#bits[at] ?? 0) | (0x80 >>> (grain & 7));
  }

  addRun(run: GrainRun): void {
    let grain = run.first;
    while (grain < run.end && (grain & 7) !== 0) this.add(grain++);
    const wholeBytesEnd = grain + ((run.end - grain) & ~7);
    if (wholeBytesEnd > grain) {
      this.#bits.fill(0xff, grain >>> 3, wholeBytesEnd >>> 3);
      grain = wholeBytesEnd;
    }
    while (grain < run.end) this.add(grain++);
  }

  /** Takes out what `other`, a bitmap of the same disk, holds. */
  remove(other: GrainBitmap): void {
    for (let at = 0; at < this.#bits.length; at++) this.#bits[at] = (this.#bits[at] ?? 0) & ~(other.#bits[at] ?? 0);
  }

  /** Grains that are set in [first, end). */
  countIn(run: GrainRun): GrainCount {
    let total = 0;
    let grain = run.first;
    while (grain < run.end && (grain & 7) !== 0) total += this.has(grain++) ? 1 : 0;
    const wordsEnd = grain + Math.floor((run.end - grain) / WORD_GRAINS) * WORD_GRAINS;
    // A few words are counted byte by byte below: a view of them would cost more.
    if (wordsEnd - grain >= MANY_WORDS * WORD_GRAINS) {
      total += bitsSet(this.#bits.subarray(grain >>> 3, wordsEnd >>> 3));
      grain = wordsEnd;
    }
    for (; grain + 8 <= run.end; grain += 8) total += BITS_SET[this.#bits[grain >>> 3] ?? 0] ?? 0;
    while (grain < run.end) total += this.has(grain++) ? 1 : 0;
    return total;
  }

  count(): GrainCount {
    return this.countIn({ first: 0, end: indexAfter(this.grains) });
  }

  /** The maximal runs of set grains within [first, end), in disk order. */
  *runsIn(range: GrainRun): Generator<GrainRun> {
    let grain = range.first;
    while (grain < range.end) {
      const first: GrainIndex = this.#next(grain, { set: true, end: range.end });
      if (first >= range.end) return;
      const end = this.#next(first + 1, { set: false, end: range.end });
      yield { first, end };
      grain = end;
    }
  }

  /** First grain from `grain` on that is (or is not) in the set; `end` when there is none. Skips whole bytes. */
  #next(grain: GrainIndex, want: { set: boolean; end: GrainIndex }): GrainIndex {
    const dull = want.set ? 0x00 : 0xff;
    let at = grain;
    while (at < want.end) {
      if ((at & 7) === 0 && this.#bits[at >>> 3] === dull && at + 8 <= want.end) at += 8;
      else if (this.has(at) === want.set) return at;
      else at += 1;
    }
    return want.end;
  }
}
