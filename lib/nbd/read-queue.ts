/** The reads of one connection: those that wait for their turn, and those that the server has been asked for. */

import { strict as assert } from 'node:assert/strict';
import type { Failure } from '#lib/failure.ts';
import type { AwaitedRead, AwaitedReads } from '#lib/nbd/reply-parser.ts';
import { encodeRequest, NBD_CMD_READ, REQUEST_BYTES } from '#lib/nbd/wire.ts';
import type { Bytes } from '#lib/units.ts';

export interface ReadBounds {
  readonly maxInFlightBytes: Bytes;
  readonly maxInFlightRequests: number;
}

export const READ_BOUNDS: ReadBounds = {
  /** Rate x round trip: 75 MiB/s (the ceiling of one Lambda in a VPC) x 200 ms is 15 MiB. */
  maxInFlightBytes: 16_777_216,
  /** Scattered grains of 64 KiB need 64 requests for 75 MiB/s at 50 ms; twice that is 3.5 KiB of requests on the way. */
  maxInFlightRequests: 128,
};

/** Far above what a reader has buffers for (64 KiB each: 1 GiB); whoever reaches it has forgotten to wait. */
const MAX_WAITING_READS = 16_384;

export interface QueuedRead extends AwaitedRead {
  readonly resolve: () => void;
  readonly reject: (failure: Failure) => void;
}

export class ReadQueue implements AwaitedReads<QueuedRead> {
  readonly #bounds: ReadBounds;
  readonly #waiting: QueuedRead[] = [];
  readonly #inFlight = new Map<number, QueuedRead>();
  #inFlightBytes: Bytes = 0;
  #lastHandle = 0;

  constructor(bounds: ReadBounds) {
    this.#bounds = bounds;
  }

  /** How many replies the server owes. */
  get inFlightRequests(): number {
    return this.#inFlight.size;
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  add(read: QueuedRead): void {
    assert(this.#waiting.length < MAX_WAITING_READS, 'more reads wait for one NBD connection than its queue holds');
    this.#waiting.push(read);
  }

  /**
   * The requests that may go out now, first come first served, in one buffer and so in one TLS record; undefined when
   * there are none. A read larger than the bound on bytes goes out alone.
   */
  takeRequests(): Buffer | undefined {
    const firstHandle = this.#lastHandle + 1;
    const started: QueuedRead[] = [];
    for (let read = this.#waiting[0]; this.#mayStart(read); read = this.#waiting[0]) {
      this.#waiting.shift();
      this.#lastHandle += 1;
      this.#inFlight.set(this.#lastHandle, read);
      this.#inFlightBytes += read.target.length;
      started.push(read);
    }
    return started.length === 0 ? undefined : encodeReads(started, firstHandle);
  }

  find(handle: number): QueuedRead | undefined {
    return this.#inFlight.get(handle);
  }

  complete(handle: number, read: QueuedRead): void {
    this.#inFlight.delete(handle);
    this.#inFlightBytes -= read.target.length;
    read.resolve();
  }

  /** Ends everything that is owed or waits. */
  rejectAll(failure: Failure): void {
    const owed = [...this.#inFlight.values(), ...this.#waiting];
    this.#inFlight.clear();
    this.#inFlightBytes = 0;
    this.#waiting.length = 0;
    for (const read of owed) read.reject(failure);
  }

  #mayStart(read: QueuedRead | undefined): read is QueuedRead {
    if (read === undefined) return false;
    if (this.#inFlight.size === 0) return true;
    return (
      this.#inFlight.size < this.#bounds.maxInFlightRequests &&
      this.#inFlightBytes + read.target.length <= this.#bounds.maxInFlightBytes
    );
  }
}

function encodeReads(reads: readonly QueuedRead[], firstHandle: number): Buffer {
  const requests = Buffer.allocUnsafe(reads.length * REQUEST_BYTES);
  reads.forEach(({ offsetBytes, target }, index) => {
    encodeRequest(requests, index * REQUEST_BYTES, {
      type: NBD_CMD_READ,
      handle: firstHandle + index,
      offset: offsetBytes,
      length: target.length,
    });
  });
  return requests;
}
