/** What was asked of the server, and how many bytes went where. */

export interface RequestSeen {
  /** S3's name of the operation; `Unknown` for what the server does not know. */
  readonly operation: string;
  readonly bucket: string;
  readonly key: string;
  readonly status: number;
  /** Bytes of the request's body without the framing of aws-chunked, headers not included. */
  readonly bytesIn: number;
  /** Bytes of the answer's body. */
  readonly bytesOut: number;
}

export interface Count {
  readonly requests: number;
  /** Of them, answered with a status of 400 and above. */
  readonly errors: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

const NONE: Count = { requests: 0, errors: 0, bytesIn: 0, bytesOut: 0 };

export class Counters {
  readonly #counts = new Map<string, Count>();
  readonly #onRequest: ((seen: RequestSeen) => void) | undefined;

  constructor(onRequest?: (seen: RequestSeen) => void) {
    this.#onRequest = onRequest;
  }

  add(seen: RequestSeen): void {
    const before = this.of(seen.operation);
    this.#counts.set(seen.operation, {
      requests: before.requests + 1,
      errors: before.errors + (seen.status >= 400 ? 1 : 0),
      bytesIn: before.bytesIn + seen.bytesIn,
      bytesOut: before.bytesOut + seen.bytesOut,
    });
    this.#onRequest?.(seen);
  }

  of(operation: string): Count {
    return this.#counts.get(operation) ?? NONE;
  }

  /** Every operation that was asked for. */
  all(): ReadonlyMap<string, Count> {
    return this.#counts;
  }

  total(): Count {
    let total = NONE;
    for (const count of this.#counts.values()) {
      total = {
        requests: total.requests + count.requests,
        errors: total.errors + count.errors,
        bytesIn: total.bytesIn + count.bytesIn,
        bytesOut: total.bytesOut + count.bytesOut,
      };
    }
    return total;
  }

  reset(): void {
    this.#counts.clear();
  }
}
