/** Writes one object of unknown length as a multipart upload, with bounded memory. */

import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { type Bytes, MIB } from '#lib/units.ts';
import { combineCrc32 } from './crc32-combine.ts';
import { UploadTooLarge, VaultCorruption, VaultUnavailable } from './failures.ts';
import { lastingBuffer } from './lasting-buffer.ts';
import type { MultipartUpload, ObjectStore, PutOptions, UploadedPart } from './object-store.ts';

/** S3's smallest part; only the last one may be smaller. */
export const MIN_PART_BYTES = 5 * MIB;
/** S3's highest part number. */
export const MAX_PARTS = 10_000;
/** Two cover the pause in which one part waits for its answer; more only cost memory (performance of one TLS stream). */
const DEFAULT_PARTS_IN_FLIGHT = 2;
/** The store's client retries each attempt by itself; this is for what it gives up on, such as a damaged body. */
const PART_ATTEMPTS = 3;

export interface MultipartWriterSettings {
  readonly store: ObjectStore;
  readonly key: string;
  /** Size of every part but the last, at least 5 MiB; 10,000 of them are the most the object can hold. */
  readonly partBytes: Bytes;
  readonly inFlight?: number;
  readonly options?: PutOptions;
}

export interface WrittenObject {
  readonly bytes: Bytes;
  /** Of the whole object. */
  readonly crc32: number;
  readonly parts: number;
}

/**
 * A writer that holds at most (inFlight + 1) * partBytes: the part being filled and those on their way.
 *
 * ```
 * open --write--> open --finish--> done          the object exists, whole
 *   |               |
 *   +--- failure or abort ------> dead           the upload is dropped, every further call fails with the first reason
 * ```
 *
 * The upload begins only with the first byte that does not fit into the first part. What fits into one part is put in a
 * single request instead: the object is the same, it costs one request instead of three, and a crash leaves no upload.
 */
export class MultipartWriter {
  readonly #store: ObjectStore;
  readonly #key: string;
  readonly #partBytes: Bytes;
  readonly #inFlight: number;
  readonly #options: PutOptions;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;

  #upload: MultipartUpload | undefined;
  /** Buffers nobody reads from any more; they belong to the writer for ever. */
  readonly #idle: Buffer[] = [];
  /** The part being filled. */
  #filling: Buffer | undefined;
  #filled: Bytes = 0;
  #fillingCrc32 = 0;

  readonly #sending = new Set<Promise<void>>();
  readonly #sent: UploadedPart[] = [];
  #parts = 0;
  #bytes: Bytes = 0;
  #crc32 = 0;
  #failure: { readonly reason: unknown } | undefined;
  #busy = false;
  #finished = false;

  constructor(settings: MultipartWriterSettings) {
    assert(settings.partBytes >= MIN_PART_BYTES, `a part of ${settings.partBytes} bytes is smaller than S3 accepts`);
    this.#store = settings.store;
    this.#key = settings.key;
    this.#partBytes = settings.partBytes;
    this.#inFlight = settings.inFlight ?? DEFAULT_PARTS_IN_FLIGHT;
    const { signal, ...options } = settings.options ?? {};
    this.#signal = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal]);
    this.#options = { ...options, signal: this.#signal };
  }

  /** Bytes accepted so far. */
  get bytes(): Bytes {
    return this.#bytes;
  }

  /** Copies `chunk`, which the caller may reuse at once; resolves when there is room for more. One call at a time. */
  async write(chunk: Uint8Array): Promise<void> {
    await this.#exclusively(async () => {
      for (let offset = 0; offset < chunk.length; ) {
        if (this.#filled === this.#partBytes) await this.#send();
        this.#filling ??= this.#idle.pop() ?? lastingBuffer(this.#partBytes);
        const piece = chunk.subarray(offset, offset + this.#partBytes - this.#filled);
        // Into shared memory `fill` copies at twice the speed of `set`, which V8 does word by word there.
        this.#filling.fill(piece, this.#filled, this.#filled + piece.length);
        this.#fillingCrc32 = crc32(piece, this.#fillingCrc32);
        this.#filled += piece.length;
        this.#bytes += piece.length;
        offset += piece.length;
      }
    });
  }

  /** Sends what is left and makes the object. */
  async finish(): Promise<WrittenObject> {
    await this.#exclusively(async () => {
      if (this.#upload === undefined) {
        await this.#store.put(this.#key, this.#takeFilled().body, this.#options);
      } else {
        await this.#send();
        while (this.#sending.size > 0) await this.#oneSent();
        const parts = this.#sent.toSorted((a, b) => a.partNumber - b.partNumber);
        await this.#store.completeMultipartUpload(this.#upload, { parts, crc32: this.#crc32 }, this.#signal);
      }
      this.#finished = true;
    });
    return { bytes: this.#bytes, crc32: this.#crc32, parts: this.#parts };
  }

  /** Gives up: nothing stays behind. Harmless after `finish` and when called twice. */
  async abort(): Promise<void> {
    if (this.#finished) return;
    this.#failure ??= { reason: new Error(`writing of ${this.#key} was given up`) };
    this.#stop.abort(this.#failure.reason);
    // A part that is still being sent would be stored after the abort, and be billed until the bucket's lifecycle rule.
    await Promise.allSettled(this.#sending);
    const upload = this.#upload;
    this.#upload = undefined;
    if (upload !== undefined) await this.#store.abortMultipartUpload(upload);
  }

  /** Runs one call; the first failure ends the writer and drops the upload. */
  async #exclusively(call: () => Promise<void>): Promise<void> {
    assert(!this.#busy && !this.#finished, `a call on the writer of ${this.#key} while another runs or after its end`);
    this.#throwIfFailed();
    this.#busy = true;
    try {
      this.#signal.throwIfAborted();
      await call();
    } catch (reason) {
      this.#failure ??= { reason };
      // The first failure is the one to report. An upload that could not be dropped is found by the sweeper.
      await this.abort().catch(() => undefined);
      throw this.#failure.reason;
    } finally {
      this.#busy = false;
    }
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.reason;
  }

  /** Starts sending the part that was filled, as soon as fewer than `inFlight` are on their way. */
  async #send(): Promise<void> {
    this.#upload ??= await this.#store.createMultipartUpload(this.#key, this.#options);
    while (this.#sending.size >= this.#inFlight) await this.#oneSent();
    this.#throwIfFailed();
    const { upload, part } = { upload: this.#upload, part: this.#takeFilled() };
    const sending = this.#sendPart(upload, part)
      .then(
        (sent) => {
          this.#sent.push(sent);
          this.#idle.push(part.buffer);
        },
        (reason: unknown) => {
          this.#failure ??= { reason };
          this.#stop.abort(reason);
        },
      )
      .finally(() => this.#sending.delete(sending));
    this.#sending.add(sending);
  }

  async #oneSent(): Promise<void> {
    await Promise.race(this.#sending);
    this.#throwIfFailed();
  }

  /** Closes the part being filled and accounts for it. */
  #takeFilled(): { partNumber: number; buffer: Buffer; body: Buffer; crc32: number } {
    if (this.#parts === MAX_PARTS) {
      throw new UploadTooLarge(
        `${this.#key} needs more than ${MAX_PARTS} parts of ${this.#partBytes} bytes; choose larger parts`,
      );
    }
    const buffer = this.#filling ?? Buffer.alloc(0);
    const body = buffer.subarray(0, this.#filled);
    const part = { partNumber: ++this.#parts, buffer, body, crc32: this.#fillingCrc32 };
    this.#crc32 = combineCrc32(this.#crc32, { crc32: part.crc32, bytes: body.length });
    this.#filling = undefined;
    this.#filled = 0;
    this.#fillingCrc32 = 0;
    return part;
  }

  async #sendPart(
    upload: MultipartUpload,
    part: { partNumber: number; body: Buffer; crc32: number },
  ): Promise<UploadedPart> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#store.uploadPart(upload, part, this.#signal);
      } catch (error) {
        const mayHelp = error instanceof VaultUnavailable || error instanceof VaultCorruption;
        if (!mayHelp || attempt >= PART_ATTEMPTS || this.#signal.aborted) throw error;
      }
    }
  }
}
