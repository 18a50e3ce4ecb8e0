/** A client's connection as exact reads and waited-for writes. */

import { once } from 'node:events';
import type { Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import { ClientGone } from './failures.ts';

/** A write that a client takes no byte of for this long is the end of it: its buffers would be held for ever. */
const STALLED_WRITE_MS = 120_000;

export class ClientStream {
  #socket: Socket;
  #error: Error | undefined;
  #draining: Promise<void> | undefined;
  /** Lets the one who reads look again. */
  #wake: () => void = () => undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#watch();
  }

  #watch(): void {
    // Without a listener an error would end the process; whoever reads or writes next is told.
    this.#socket.on('error', (error) => {
      this.#error = error;
    });
    // These listeners stay: one that is added while part of the bytes wanted is there is called at once, and adding it
    // again after every such call would keep the process from ever receiving the rest.
    for (const event of ['readable', 'end', 'close']) this.#socket.on(event, () => this.#wake());
  }

  /** Exactly so many bytes. Rejects with ClientGone when the connection ends first, with the reason when `signal` fires. */
  async read(bytes: number, signal?: AbortSignal): Promise<Buffer> {
    for (;;) {
      signal?.throwIfAborted();
      const data: unknown = bytes === 0 ? Buffer.alloc(0) : this.#socket.read(bytes);
      if (Buffer.isBuffer(data) && data.length === bytes) return data;
      if (data !== null || this.#socket.readableEnded || this.#socket.destroyed) throw this.#gone();
      await this.#readable(signal);
    }
  }

  async #readable(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const aborted = () => resolve();
    signal?.addEventListener('abort', aborted, { once: true });
    await promise;
    signal?.removeEventListener('abort', aborted);
  }

  /** Sends the pieces one behind the other, nothing in between; resolves when there is room for more. */
  async write(...pieces: readonly Buffer[]): Promise<void> {
    if (this.#socket.destroyed) throw this.#gone();
    this.#socket.cork();
    let hasRoom = true;
    for (const piece of pieces) hasRoom = this.#socket.write(piece);
    this.#socket.uncork();
    if (!hasRoom) await this.#drained();
  }

  /** All who wait for room wait for the same event. */
  #drained(): Promise<void> {
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = undefined;
    });
    return this.#draining;
  }

  async #drain(): Promise<void> {
    const closed = new AbortController();
    const onClose = () => closed.abort();
    this.#socket.once('close', onClose);
    try {
      await once(this.#socket, 'drain', {
        signal: AbortSignal.any([AbortSignal.timeout(STALLED_WRITE_MS), closed.signal]),
      });
    } catch (cause) {
      this.close();
      throw new ClientGone('the client takes no more bytes', { cause });
    } finally {
      this.#socket.removeListener('close', onClose);
    }
  }

  /** Goes on under TLS. Bytes that the client sent ahead in clear are refused: somebody may have slipped them in. */
  async startTls(secureContext: SecureContext, signal: AbortSignal): Promise<void> {
    if (this.#socket.readableLength > 0) throw new ClientGone('the client sent bytes in clear after NBD_OPT_STARTTLS');
    const secured = new TLSSocket(this.#socket, { isServer: true, secureContext, requestCert: false });
    this.#socket = secured;
    this.#watch();
    try {
      await once(secured, 'secure', { signal });
    } catch (cause) {
      throw new ClientGone('the client did not complete the TLS handshake', { cause });
    }
  }

  /** Sends what was written, then closes without waiting for the client. */
  end(): void {
    this.#socket.destroySoon();
  }

  close(): void {
    this.#socket.destroy();
  }

  #gone(): ClientGone {
    return new ClientGone('the client left', { cause: this.#error });
  }
}
