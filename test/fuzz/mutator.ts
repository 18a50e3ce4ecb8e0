/** Makes a wrong input out of right ones, the same for the same seed. */

import { seededRandom } from '../fakes/random.ts';

/** Large enough for every field of a header to lie about its length, small enough to be quick. */
const MAX_INPUT_BYTES = 65_536;
/** One input in so many is blown up, to find work that grows faster than its input. */
const INFLATE_ONE_IN = 2_000;
const INFLATED_BYTES = 262_144;
const MAX_CHANGES = 4;

/** Numbers at which lengths, counts and offsets break. */
const NUMBERS = [
  0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff,
];
const WIDE_NUMBERS = [0n, 1n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n];
const TOKENS = [
  '\0',
  '\n',
  '\r\n',
  '"',
  "'",
  '<',
  '>',
  '&',
  '{',
  '}',
  '[',
  ']',
  ':',
  ',',
  '/',
  '../',
  '%00',
  '\\',
  '\ud800',
  '￿',
  '𐀀',
];
/** What takes the place of a value inside of JSON. */
const JSON_VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e308,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  2 ** 53 + 2,
  -(2 ** 53),
  '',
  ' ',
  '0',
  'null',
  '../..',
  '\0',
  '__proto__',
  'constructor',
  'a'.repeat(5000),
  [],
  {},
  [[]],
  [null],
  { __proto__: null },
  '2026-13-45T99:99:99Z',
  'ffffffff',
];

/** What mutations begin with: right inputs, and wrong ones that had an outcome of their own kind. */
export interface Pool {
  readonly seeds: readonly Buffer[];
  readonly found: readonly Buffer[];
}

type Change = (input: Buffer) => Buffer;

export class Mutator {
  readonly #random: () => number;
  readonly #tokens: readonly Buffer[];
  readonly #changes: readonly Change[];

  constructor(seed: number, dictionary: readonly string[] = []) {
    this.#random = seededRandom(seed);
    this.#tokens = [...TOKENS, ...dictionary, ...dictionary, ...dictionary].map((token) => Buffer.from(token));
    this.#changes = [
      (input) => this.#flipBit(input),
      (input) => this.#setByte(input),
      (input) => this.#setNumber(input),
      (input) => this.#setNumber(input),
      (input) => this.#insert(input, this.#pick(this.#tokens)),
      (input) => this.#insert(input, this.#piece(input)),
      (input) => this.#overwrite(input, this.#pick(this.#tokens)),
      (input) => this.#remove(input),
      (input) => input.subarray(0, this.below(input.length + 1)),
    ];
  }

  below(end: number): number {
    return Math.floor(this.#random() * end);
  }

  /** A changed copy of a seed or of something found; with `isJson`, every second one stays JSON. */
  mutate(pool: Pool, isJson: boolean): Buffer {
    const base = this.#pick(pool.found.length === 0 || this.below(2) === 0 ? pool.seeds : pool.found);
    if (this.below(INFLATE_ONE_IN) === 0) return this.#inflate(base);
    if (isJson && this.below(2) === 0) return this.#mutateJson(base);
    let input = this.below(8) === 0 ? this.#splice(base, this.#pick(pool.seeds)) : Buffer.from(base);
    for (let left = 1 + this.below(MAX_CHANGES); left > 0; left--) input = this.#pick(this.#changes)(input);
    return input.subarray(0, MAX_INPUT_BYTES);
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  #flipBit(input: Buffer): Buffer {
    if (input.length > 0) input[this.below(input.length)]! ^= 1 << this.below(8);
    return input;
  }

  #setByte(input: Buffer): Buffer {
    if (input.length > 0) input[this.below(input.length)] = this.below(256);
    return input;
  }

  #setNumber(input: Buffer): Buffer {
    const width = this.#pick([1, 2, 4, 4, 8]);
    if (input.length < width) return input;
    // Fields lie at multiples of two more often than not.
    const at = Math.min(input.length - width, this.below(input.length) & ~1);
    if (width === 8) {
      const value = this.#pick(WIDE_NUMBERS);
      if (this.below(2) === 0) input.writeBigUInt64BE(value, at);
      else input.writeBigUInt64LE(value, at);
      return input;
    }
    const value = this.#pick(NUMBERS) % 2 ** (8 * width);
    if (this.below(2) === 0) input.writeUIntBE(value, at, width);
    else input.writeUIntLE(value, at, width);
    return input;
  }

  #insert(input: Buffer, piece: Buffer): Buffer {
    const at = this.below(input.length + 1);
    return Buffer.concat([input.subarray(0, at), piece, input.subarray(at)]);
  }

  #overwrite(input: Buffer, piece: Buffer): Buffer {
    piece.copy(input, this.below(input.length + 1));
    return input;
  }

  #remove(input: Buffer): Buffer {
    const from = this.below(input.length + 1);
    const to = Math.min(input.length, from + 1 + this.below(Math.min(64, input.length + 1)));
    return Buffer.concat([input.subarray(0, from), input.subarray(to)]);
  }

  #piece(input: Buffer): Buffer {
    const from = this.below(input.length + 1);
    return Buffer.from(input.subarray(from, from + 1 + this.below(64)));
  }

  #splice(head: Buffer, tail: Buffer): Buffer {
    return Buffer.concat([head.subarray(0, this.below(head.length + 1)), tail.subarray(this.below(tail.length + 1))]);
  }

  /** One piece many times over: nesting without end, lines without end, lists without end. */
  #inflate(base: Buffer): Buffer {
    const piece = this.below(2) === 0 ? this.#pick(this.#tokens) : this.#piece(base);
    if (piece.length === 0) return base;
    const at = this.below(base.length + 1);
    const many = Buffer.alloc(INFLATED_BYTES, piece);
    return Buffer.concat([base.subarray(0, at), many, base.subarray(this.below(2) === 0 ? at : base.length)]);
  }

  #mutateJson(base: Buffer): Buffer {
    let root: unknown;
    try {
      root = JSON.parse(base.toString());
    } catch {
      return this.#flipBit(Buffer.from(base));
    }
    for (let left = 1 + this.below(2); left > 0; left--) root = this.#changeValue(root);
    return Buffer.from(JSON.stringify(root) ?? '');
  }

  /** Walks down to a random value and exchanges, removes or doubles it. */
  #changeValue(value: unknown): unknown {
    if (typeof value !== 'object' || value === null || this.below(6) === 0) return this.#pick(JSON_VALUES);
    const keys = Object.keys(value);
    const key = this.#pick(keys);
    if (key === undefined) return { [this.#pick(['a', '__proto__', 'length'])]: this.#pick(JSON_VALUES) };
    const copy = Array.isArray(value) ? [...value] : { ...value };
    const fate = this.below(10);
    if (fate === 0) Reflect.deleteProperty(copy, key);
    else if (fate === 1 && Array.isArray(copy)) copy.push(copy[Number(key)]);
    else Reflect.set(copy, key, this.#changeValue(Reflect.get(value, key)));
    return copy;
  }
}
