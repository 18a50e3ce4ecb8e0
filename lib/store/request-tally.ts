/** Requests as the store bills them, counted where they leave this process: every attempt, also those that fail. */

import type { Bytes } from '#lib/units.ts';

interface RequestCounts {
  /** PUT, COPY, POST and LIST. */
  readonly puts: number;
  /** GET, HEAD and all others that are billed; DELETE and abort are free. */
  readonly gets: number;
  /** Bodies of requests. */
  readonly sentBytes: Bytes;
  /** Bodies of answers, as far as their headers tell the length. */
  readonly receivedBytes: Bytes;
}

const PUT_CLASS = /^(Put|Copy|Post|List|Create|Complete|Upload)/;
const FREE = /^(Delete|Abort)/;

/** How S3 bills an operation, by its name in the API. */
export function billedAs(operation: string): 'put' | 'get' | 'free' {
  if (FREE.test(operation)) return 'free';
  return PUT_CLASS.test(operation) ? 'put' : 'get';
}

export class RequestTally {
  #counts: RequestCounts = { puts: 0, gets: 0, sentBytes: 0, receivedBytes: 0 };

  /** Everything so far. */
  get counts(): RequestCounts {
    return this.#counts;
  }

  sent(operation: string, sentBytes: Bytes): void {
    const billed = billedAs(operation);
    this.#counts = addCounts(this.#counts, {
      puts: billed === 'put' ? 1 : 0,
      gets: billed === 'get' ? 1 : 0,
      sentBytes,
      receivedBytes: 0,
    });
  }

  received(receivedBytes: Bytes): void {
    this.#counts = { ...this.#counts, receivedBytes: this.#counts.receivedBytes + receivedBytes };
  }

  /** Everything since `before`. */
  since(before: RequestCounts): RequestCounts {
    const { puts, gets, sentBytes, receivedBytes } = before;
    return addCounts(this.#counts, {
      puts: -puts,
      gets: -gets,
      sentBytes: -sentBytes,
      receivedBytes: -receivedBytes,
    });
  }
}

export function addCounts(left: RequestCounts, right: RequestCounts): RequestCounts {
  return {
    puts: left.puts + right.puts,
    gets: left.gets + right.gets,
    sentBytes: left.sentBytes + right.sentBytes,
    receivedBytes: left.receivedBytes + right.receivedBytes,
  };
}
