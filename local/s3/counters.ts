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

  /** Before the answer goes out: who has the answer finds its request counted. */
  answering(answer: { operation: string; status: number; bytesIn: number }): void {
    const isError = answer.status >= 400;
    this.#add(answer.operation, { requests: 1, errors: isError ? 1 : 0, bytesIn: answer.bytesIn, bytesOut: 0 });
  }

  /** Before these bytes of the answer's body go out. */
  sending(operation: string, bytesOut: number): void {
    this.#add(operation, { ...NONE, bytesOut });
  }

  /** When the answer is out, or the client is gone. */
  done(seen: RequestSeen): void {
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
    return [...this.#counts.values()].reduce(sum, NONE);
  }

  reset(): void {
    this.#counts.clear();
  }

  #add(operation: string, more: Count): void {
    this.#counts.set(operation, sum(this.of(operation), more));
  }
}

function sum(left: Count, right: Count): Count {
  return {
    requests: left.requests + right.requests,
    errors: left.errors + right.errors,
    bytesIn: left.bytesIn + right.bytesIn,
    bytesOut: left.bytesOut + right.bytesOut,
  };
}
