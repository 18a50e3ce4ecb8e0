/** An open NBD export, ready to be read. */

import { strict as assert } from 'node:assert/strict';
import { nextTick } from 'node:process';
import type { Failure } from '#lib/failure.ts';
import type { VerifiedBy } from '#lib/nbd/certificate.ts';
import type { NbdDeadlines } from '#lib/nbd/deadlines.ts';
import { NbdConnectionLost, NbdProtocolViolation, NbdReadFailed } from '#lib/nbd/failures.ts';
import { type QueuedRead, type ReadBounds, ReadQueue } from '#lib/nbd/read-queue.ts';
import { ReplyParser } from '#lib/nbd/reply-parser.ts';
import type { Transport } from '#lib/nbd/transport.ts';
import { encodeRequest, NBD_CMD_DISC, REQUEST_BYTES } from '#lib/nbd/wire.ts';
import type { Bytes } from '#lib/units.ts';

/** The largest read that every server accepts: qemu-nbd answers 33 MiB with EINVAL. 1 MiB is the fastest. */
export const MAX_READ_BYTES = 33_554_432;

/** What is known about the peer. */
export type ConnectionFacts = { readonly kind: 'tls'; readonly verifiedBy: VerifiedBy } | { readonly kind: 'insecure' };

/** A negotiated connection, as `connectNbd` hands it over. */
export interface NegotiatedExport {
  readonly peer: string;
  readonly transport: Transport;
  readonly exportBytes: Bytes;
  readonly facts: ConnectionFacts;
  readonly deadlines: NbdDeadlines;
  readonly bounds: ReadBounds;
  readonly signal: AbortSignal | undefined;
}

/**
 * ```
 *  OPEN --close()--> CLOSED
 *    |
 *    +-- any failure, also an error reply: the host ends the connection with it --> DEAD
 * ```
 */
type State =
  | { readonly kind: 'OPEN' }
  | { readonly kind: 'CLOSED' }
  | { readonly kind: 'DEAD'; readonly failure: Failure };

export class NbdConnection {
  readonly exportBytes: Bytes;
  readonly facts: ConnectionFacts;
  readonly #negotiated: NegotiatedExport;
  readonly #queue: ReadQueue;
  readonly #parser: ReplyParser<QueuedRead>;
  #state: State = { kind: 'OPEN' };
  #closing: Promise<void> | undefined;
  #isSendScheduled = false;
  #silence: NodeJS.Timeout | undefined;

  constructor(negotiated: NegotiatedExport) {
    this.exportBytes = negotiated.exportBytes;
    this.facts = negotiated.facts;
    this.#negotiated = negotiated;
    this.#queue = new ReadQueue(negotiated.bounds);
    this.#parser = new ReplyParser(negotiated.peer, this.#queue);
    negotiated.signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (negotiated.signal?.aborted) this.#onAbort();
    negotiated.transport.listen({
      received: (chunk) => this.#received(chunk),
      ended: (cause) => this.#die(this.#parser.cutShort(cause) ?? this.#lost('ended the connection', cause)),
    });
  }

  /** How the host proved who it is, in one word. */
  get hostCheck(): VerifiedBy | 'none' {
    return this.facts.kind === 'tls' ? this.facts.verifiedBy : 'none';
  }

  /**
   * Fills `target` with the export's bytes from `offsetBytes` on. The target belongs to the connection until the promise
   * settles; after a rejection its content is undefined. Many reads may be in flight; those beyond the bounds wait, first
   * come first served. A XenServer host wants offset and length in whole sectors of 512 bytes.
   */
  async readInto(offsetBytes: Bytes, target: Buffer): Promise<void> {
    const lengthBytes = target.length;
    assert(lengthBytes > 0 && lengthBytes <= MAX_READ_BYTES, `a read of ${lengthBytes} bytes; 1 to 32 MiB are allowed`);
    assert(
      Number.isSafeInteger(offsetBytes) && offsetBytes >= 0 && offsetBytes + lengthBytes <= this.exportBytes,
      `a read of ${lengthBytes} bytes at ${offsetBytes} is not inside the export of ${this.exportBytes} bytes`,
    );
    if (this.#state.kind === 'DEAD') throw this.#state.failure;
    if (this.#state.kind === 'CLOSED') throw this.#closedByOwner();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#queue.add({ offsetBytes, target, resolve, reject });
    this.#scheduleSend();
    await promise;
  }

  /** Reads into a new buffer. */
  async read({ offsetBytes, lengthBytes }: { offsetBytes: Bytes; lengthBytes: Bytes }): Promise<Buffer> {
    const target = Buffer.allocUnsafeSlow(lengthBytes);
    await this.readInto(offsetBytes, target);
    return target;
  }

  /**
   * Says goodbye and waits until the host has closed, at most `closeMs`: it then has its connection slot back. Reads that
   * are not finished are rejected. Closing twice, or after a failure, does nothing.
   */
  async close(): Promise<void> {
    this.#closing ??= this.#disconnect();
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #disconnect(): Promise<void> {
    if (this.#state.kind !== 'OPEN') return;
    this.#state = { kind: 'CLOSED' };
    this.#release(this.#closedByOwner());
    const goodbye = Buffer.alloc(REQUEST_BYTES);
    encodeRequest(goodbye, 0, { type: NBD_CMD_DISC, handle: 0, offset: 0, length: 0 });
    await this.#negotiated.transport.end(goodbye, this.#negotiated.deadlines.closeMs);
  }

  #received(chunk: Buffer): void {
    const owedBefore = this.#queue.inFlightRequests;
    try {
      this.#parser.push(chunk);
    } catch (failure) {
      this.#die(asFailure(failure, this.#negotiated.peer));
      return;
    }
    const owed = this.#queue.inFlightRequests;
    if (owed > 0) this.#silence?.refresh();
    else this.#stopWatch();
    if (owed < owedBefore && this.#queue.hasWaiting) this.#scheduleSend();
  }

  /** Everything asked for in one turn of the event loop goes out in one write, which TLS turns into one record. */
  #scheduleSend(): void {
    if (this.#isSendScheduled) return;
    this.#isSendScheduled = true;
    nextTick(() => {
      this.#isSendScheduled = false;
      const requests = this.#queue.takeRequests();
      if (requests === undefined) return;
      this.#negotiated.transport.write(requests);
      this.#silence ??= setTimeout(() => this.#die(this.#silent()), this.#negotiated.deadlines.progressMs);
    });
  }

  #die(failure: Failure): void {
    if (this.#state.kind !== 'OPEN') return;
    this.#state = { kind: 'DEAD', failure };
    this.#negotiated.transport.destroy();
    this.#release(failure);
  }

  #release(failure: Failure): void {
    this.#stopWatch();
    this.#negotiated.signal?.removeEventListener('abort', this.#onAbort);
    this.#queue.rejectAll(failure);
  }

  #stopWatch(): void {
    clearTimeout(this.#silence);
    this.#silence = undefined;
  }

  readonly #onAbort = (): void => {
    this.#die(this.#lost('was left because the caller gave up', this.#negotiated.signal?.reason));
  };

  #silent(): NbdConnectionLost {
    return this.#lost(`sent nothing for ${this.#negotiated.deadlines.progressMs} ms while it owed a reply`, undefined);
  }

  #closedByOwner(): NbdConnectionLost {
    return this.#lost('was left: close() was called before the read was done', undefined);
  }

  #lost(what: string, cause: unknown): NbdConnectionLost {
    return new NbdConnectionLost(`${this.#negotiated.peer} ${what}`, { cause });
  }
}

/** The parser throws these two; anything else is a defect of ours, which must not be retried as if the host had erred. */
function asFailure(thrown: unknown, peer: string): Failure {
  if (thrown instanceof NbdReadFailed || thrown instanceof NbdProtocolViolation) return thrown;
  return new NbdProtocolViolation(`a reply of ${peer} could not be taken apart`, { cause: thrown });
}
