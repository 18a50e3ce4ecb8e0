/** The functions that Step Functions adds to JSONata, and those it takes away. */

import { createHash } from 'node:crypto';
import { MAX_RANGE_ITEMS } from './limits.ts';
import type { Randomness } from './ports.ts';
import { QUERY_EVALUATION_ERROR, StateFailed } from './state-failed.ts';

const HASHES: ReadonlyMap<string, string> = new Map([
  ['MD5', 'md5'],
  ['SHA-1', 'sha1'],
  ['SHA-256', 'sha256'],
  ['SHA-384', 'sha384'],
  ['SHA-512', 'sha512'],
]);

function refuse(explanation: string, cause?: unknown): StateFailed {
  return new StateFailed({ error: QUERY_EVALUATION_ERROR, explanation }, { cause });
}

function partition(items: unknown, chunkItems: unknown): unknown[][] {
  if (!Array.isArray(items)) throw refuse('$partition needs an array as its first argument');
  if (typeof chunkItems !== 'number' || chunkItems < 1) throw refuse('$partition needs a chunk size of at least 1');
  const step = Math.floor(chunkItems);
  return Array.from({ length: Math.ceil(items.length / step) }, (_, chunk) =>
    items.slice(chunk * step, (chunk + 1) * step),
  );
}

/** `last` is included, as the service documents it. */
function range(first: unknown, last: unknown, step: unknown): number[] {
  if (typeof first !== 'number' || typeof last !== 'number' || typeof step !== 'number' || step === 0) {
    throw refuse('$range needs three numbers: first, last and a step that is not 0');
  }
  const length = Math.max(0, Math.floor((last - first) / step) + 1);
  if (length > MAX_RANGE_ITEMS) throw refuse(`$range would answer ${length} items; ${MAX_RANGE_ITEMS} are allowed`);
  return Array.from({ length }, (_, index) => first + index * step);
}

function hash(data: unknown, algorithm: unknown): string {
  const name = typeof algorithm === 'string' ? HASHES.get(algorithm) : undefined;
  if (typeof data !== 'string' || name === undefined) {
    throw refuse(`$hash needs a string and one of ${[...HASHES.keys()].join(', ')}`);
  }
  return createHash(name).update(data).digest('hex');
}

function parse(text: unknown): unknown {
  if (typeof text !== 'string') throw refuse('$parse needs a string');
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw refuse('$parse was given text that is not JSON', cause);
  }
}

/** A seed makes the answer repeatable; which number belongs to a seed is not documented, so only the range is promised. */
function random(seed: unknown, randomness: Randomness): number {
  if (seed === undefined) return randomness.fraction();
  return createHash('sha256').update(JSON.stringify(seed)).digest().readUInt32BE(0) / 2 ** 32;
}

/** Bindings for one evaluation; the names are what expressions call with a leading `$`. */
export function stepFunctionsFunctions(randomness: Randomness): Readonly<Record<string, unknown>> {
  return {
    partition,
    range,
    hash,
    parse,
    random: (seed?: unknown) => random(seed, randomness),
    uuid: () => randomness.uuid(),
    eval: () => {
      throw refuse('$eval is not available in Step Functions; use $parse');
    },
  };
}
