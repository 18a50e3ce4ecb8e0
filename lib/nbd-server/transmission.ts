/** The transmission phase of one client: many requests in flight, replies in the order in which they are ready. */

import { Failure } from '#lib/failure.ts';
import { NBD_ERRORS, REQUEST_BYTES } from '#lib/nbd/wire.ts';
import type { ClientStream } from './client-stream.ts';
import { ClientGone } from './failures.ts';
import type { Agreement } from './negotiation.ts';
import {
  blockStatusChunk,
  emptyChunk,
  errorChunk,
  MAX_REQUEST_BYTES,
  NBD_CMD,
  NBD_CMD_FLAG_DF,
  NBD_CMD_FLAG_REQ_ONE,
  type NbdRequest,
  parseRequest,
  readChunk,
  type ServedExtent,
  simpleReply,
} from './protocol.ts';

/** nbdcopy keeps 64 requests of 256 KiB in flight; twice that in bytes bounds what one client makes the server hold. */
const IN_FLIGHT_REQUESTS = 64;
const IN_FLIGHT_BYTES = MAX_REQUEST_BYTES;
/** 1024 extents are 8 KiB of reply; the client asks again for the rest. */
const STATUS_EXTENTS = 1024;
/** A reply splits into no more chunks than this; a read of 32 MiB has at most 512 grains. */
const READ_EXTENTS = 512;
/** What a client sends to be written is read and thrown away in pieces of this size. */
const DISCARDED_BYTES = 65_536;

export interface TransmissionParts {
  readonly stream: ClientStream;
  readonly agreement: Agreement;
  readonly signal: AbortSignal;
  /** Told when the vault could not give what a client asked for: the client itself learns only EIO. */
  readonly onFailedRead: (failure: unknown, range: { offsetBytes: number; lengthBytes: number }) => void;
}

/** Serves until the client disconnects. Throws ClientGone when it leaves otherwise. */
export async function serveRequests(parts: TransmissionParts): Promise<void> {
  await new Transmission(parts).run();
}

class Transmission {
  readonly #parts: TransmissionParts;
  readonly #inFlight = new Set<Promise<void>>();
  #inFlightBytes = 0;
  #failure: unknown;

  constructor(parts: TransmissionParts) {
    this.#parts = parts;
  }

  async run(): Promise<void> {
    const { stream, signal } = this.#parts;
    try {
      for (;;) {
        const request = parseRequest(await stream.read(REQUEST_BYTES, signal));
        if (request === undefined) throw new ClientGone('the client sent something else than a request');
        if (request.type === NBD_CMD.DISC) return;
        if (request.type === NBD_CMD.WRITE) await this.#discard(request.lengthBytes);
        await this.#start(request);
      }
    } finally {
      // Replies under way use the stream: it is closed only when all of them are through.
      await Promise.all(this.#inFlight);
    }
  }

  async #discard(lengthBytes: number): Promise<void> {
    if (lengthBytes > MAX_REQUEST_BYTES) throw new ClientGone(`the client wants to write ${lengthBytes} bytes at once`);
    for (let left = lengthBytes; left > 0; left -= DISCARDED_BYTES) {
      await this.#parts.stream.read(Math.min(left, DISCARDED_BYTES), this.#parts.signal);
    }
  }

  /** Starts the request as soon as there is room for it. */
  async #start(request: NbdRequest): Promise<void> {
    const heldBytes = request.type === NBD_CMD.READ ? Math.min(request.lengthBytes, MAX_REQUEST_BYTES) : 0;
    while (this.#inFlight.size >= IN_FLIGHT_REQUESTS || this.#inFlightBytes + heldBytes > IN_FLIGHT_BYTES) {
      await Promise.race(this.#inFlight);
    }
    if (this.#failure !== undefined) throw this.#failure;
    this.#inFlightBytes += heldBytes;
    const work: Promise<void> = this.#serve(request).then(
      () => this.#finished(work, heldBytes),
      (failure: unknown) => {
        this.#failure ??= failure;
        // The client waits for a reply that will not come: it has to see that.
        this.#parts.stream.close();
        this.#finished(work, heldBytes);
      },
    );
    this.#inFlight.add(work);
  }

  #finished(work: Promise<void>, heldBytes: number): void {
    this.#inFlight.delete(work);
    this.#inFlightBytes -= heldBytes;
  }

  async #serve(request: NbdRequest): Promise<void> {
    const { stream } = this.#parts;
    const refusal = this.#refusal(request);
    if (refusal !== undefined) return stream.write(this.#error(request, refusal, 'refused'));
    let reply: readonly Buffer[];
    try {
      reply = request.type === NBD_CMD.READ ? await this.#read(request) : [await this.#blockStatus(request)];
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      this.#parts.onFailedRead(failure, request);
      return stream.write(this.#error(request, NBD_ERRORS.NBD_EIO, failure.message));
    }
    await stream.write(...reply);
  }

  #refusal({ type, offsetBytes, lengthBytes }: NbdRequest): number | undefined {
    const { disk, blockStatus } = this.#parts.agreement;
    const fits = offsetBytes + lengthBytes <= disk.diskBytes;
    if (type === NBD_CMD.READ) return fits && lengthBytes <= MAX_REQUEST_BYTES ? undefined : NBD_ERRORS.NBD_EINVAL;
    if (type === NBD_CMD.BLOCK_STATUS)
      return fits && lengthBytes > 0 && blockStatus ? undefined : NBD_ERRORS.NBD_EINVAL;
    return type === NBD_CMD.FLUSH ? NBD_ERRORS.NBD_EINVAL : NBD_ERRORS.NBD_EPERM;
  }

  #error({ cookie }: NbdRequest, error: number, message: string): Buffer {
    return this.#parts.agreement.structured ? errorChunk(cookie, error, message) : simpleReply(cookie, error);
  }

  async #read(request: NbdRequest): Promise<readonly Buffer[]> {
    const { disk, structured } = this.#parts.agreement;
    const { cookie, offsetBytes, lengthBytes } = request;
    if (!structured) return [simpleReply(cookie, 0), ...(await disk.read(offsetBytes, lengthBytes))];
    if (lengthBytes === 0) return [emptyChunk(cookie)];
    const whole = [{ bytes: lengthBytes, hole: false }];
    const isWhole = (request.flags & NBD_CMD_FLAG_DF) !== 0;
    const extents = isWhole ? whole : await disk.extents(request, READ_EXTENTS);
    const reply: Buffer[] = [];
    let at = offsetBytes;
    for (const [i, extent] of extents.entries()) {
      reply.push(readChunk(cookie, { ...extent, offsetBytes: at, done: i === extents.length - 1 }));
      if (!extent.hole) reply.push(...(await disk.read(at, extent.bytes)));
      at += extent.bytes;
    }
    return reply;
  }

  async #blockStatus(request: NbdRequest): Promise<Buffer> {
    const limit = (request.flags & NBD_CMD_FLAG_REQ_ONE) === 0 ? STATUS_EXTENTS : 1;
    const extents: ServedExtent[] = await this.#parts.agreement.disk.extents(request, limit);
    return blockStatusChunk(request.cookie, extents);
  }
}
