/**
 * Replies of the transmission phase, taken from chunks of any size. It knows no socket.
 * ```
 *        16 bytes, error 0, handle awaited           target full
 *  HEADER ---------------------------------> DATA ---------------> HEADER
 *     |
 *     +-- error not 0: the read failed; magic wrong or handle not awaited: the stream is lost
 * ```
 * Servers may answer in any order, so the handle alone says which read a reply belongs to.
 */

import { NbdProtocolViolation, NbdReadFailed } from '#lib/nbd/failures.ts';
import { decodeSimpleReply, NBD_ERRORS, NBD_SIMPLE_REPLY_MAGIC, SIMPLE_REPLY_BYTES } from '#lib/nbd/wire.ts';
import type { Bytes } from '#lib/units.ts';

/** A read that has been sent. The target belongs to the caller; it is written from the front, each byte once. */
export interface AwaitedRead {
  readonly offsetBytes: Bytes;
  readonly target: Buffer;
}

/** The owner of the awaited reads. */
export interface AwaitedReads<Read extends AwaitedRead> {
  /** The read that was sent with this handle and has no reply yet. */
  find(handle: number): Read | undefined;
  /** The read's target is full; its handle is free. */
  complete(handle: number, read: Read): void;
}

export class ReplyParser<Read extends AwaitedRead> {
  readonly #peer: string;
  readonly #awaited: AwaitedReads<Read>;
  readonly #header = Buffer.alloc(SIMPLE_REPLY_BYTES);
  #headerBytes: Bytes = 0;
  #handle = 0;
  #read: Read | undefined;
  #filledBytes: Bytes = 0;

  constructor(peer: string, awaited: AwaitedReads<Read>) {
    this.#peer = peer;
    this.#awaited = awaited;
  }

  /** Copies the data of a chunk straight to its target. Throws when the server refused a read or the stream is lost. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      at = this.#read === undefined ? this.#takeHeader(chunk, at) : this.#takeData(this.#read, chunk, at);
    }
  }

  /** What it means for the read under way that no more bytes will come; undefined between two replies. */
  cutShort(cause: unknown): NbdReadFailed | undefined {
    if (this.#read === undefined) return undefined;
    const { offsetBytes, target } = this.#read;
    return new NbdReadFailed(
      `${this.#peer} accepted the read of ${target.length} bytes at ${offsetBytes} and closed after ${this.#filledBytes} of them; the host could not read its disk there`,
      { cause, details: { offsetBytes, lengthBytes: target.length, receivedBytes: this.#filledBytes } },
    );
  }

  #takeHeader(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + SIMPLE_REPLY_BYTES - this.#headerBytes);
    chunk.copy(this.#header, this.#headerBytes, at, end);
    this.#headerBytes += end - at;
    if (this.#headerBytes === SIMPLE_REPLY_BYTES) {
      this.#headerBytes = 0;
      this.#beginReply();
    }
    return end;
  }

  #takeData(read: Read, chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + read.target.length - this.#filledBytes);
    chunk.copy(read.target, this.#filledBytes, at, end);
    this.#filledBytes += end - at;
    if (this.#filledBytes === read.target.length) {
      this.#read = undefined;
      this.#awaited.complete(this.#handle, read);
    }
    return end;
  }

  #beginReply(): void {
    const { magic, error, handle } = decodeSimpleReply(this.#header);
    if (magic !== NBD_SIMPLE_REPLY_MAGIC) {
      throw new NbdProtocolViolation(
        `${this.#peer} begins a reply with 0x${magic.toString(16)}, not with NBD_SIMPLE_REPLY_MAGIC; the stream is out of step`,
      );
    }
    const read = this.#awaited.find(handle);
    if (read === undefined) {
      throw new NbdProtocolViolation(`${this.#peer} replies to handle ${handle}, which no read waits for`);
    }
    if (error !== 0) throw readRefused(this.#peer, read, error);
    this.#handle = handle;
    this.#read = read;
    this.#filledBytes = 0;
  }
}

function readRefused(peer: string, { offsetBytes, target }: AwaitedRead, error: number): NbdReadFailed {
  const name = Object.entries(NBD_ERRORS).find(([, value]) => value === error)?.[0] ?? `error ${error}`;
  return new NbdReadFailed(
    `${peer} answers the read of ${target.length} bytes at ${offsetBytes} with ${name}; a host ends the connection with that, so connect again to go on`,
    { details: { offsetBytes, lengthBytes: target.length, error: name } },
  );
}
