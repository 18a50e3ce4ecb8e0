/**
 * The process of `farAway`: a TCP proxy that hands everything on after a fixed time, in both directions. It shares two
 * processors with client and server, so it reads straight into one ring of memory and writes all that is due at once.
 * Tells its port, ends when its parent goes. Usage: delaying-proxy.ts <port> <ms each way>
 */

import { connect, createServer, type Socket } from 'node:net';
import { MIB } from '#lib/units.ts';

/** What is under way in one direction: 1.25 GiB/s at 50 ms each way, more than two processors can read. */
const RING_BYTES = 64 * MIB;
const READ_BYTES = MIB / 4;

const [serverPort = 0, delayMs = 0] = process.argv.slice(2).map(Number);

const proxy = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (client) => {
  const toClient = new Line(client);
  const server = connect({
    port: serverPort,
    host: '127.0.0.1',
    allowHalfOpen: true,
    noDelay: true,
    onread: { buffer: () => toClient.nextRead(), callback: (bytes) => toClient.arrived(bytes) },
  });
  toClient.resume = () => server.resume();
  const toServer = new Line(server);
  // Requests are few and small: they may come as they are.
  client.on('data', (chunk: Buffer) => toServer.send(chunk));
  client.on('end', () => toServer.end());
  server.on('end', () => toClient.end());
  client.on('error', () => server.destroy());
  server.on('error', () => client.destroy());
  client.resume();
});
proxy.listen(0, '127.0.0.1', () => {
  const address = proxy.address();
  process.send?.(typeof address === 'object' ? address?.port : undefined);
});
process.on('disconnect', () => process.exit());

/** One direction of a connection: what goes to `#to`, each piece `delayMs` after it came. */
class Line {
  readonly #to: Socket;
  readonly #waiting: { readonly dueMs: number; readonly act: () => void }[] = [];
  /** Bytes of `#ring` between tail and head, counted from the start of the connection, are under way. */
  #ring: Buffer | undefined;
  #head = 0;
  #tail = 0;
  #paused = false;
  resume = (): void => undefined;

  constructor(to: Socket) {
    this.#to = to;
  }

  /** Where the next bytes may be read to. */
  nextRead(): Buffer {
    this.#ring ??= Buffer.allocUnsafeSlow(RING_BYTES);
    const at = this.#head % RING_BYTES;
    return this.#ring.subarray(at, Math.min(RING_BYTES, at + READ_BYTES));
  }

  /** So many bytes were read there; false stops reading until there is room again. */
  arrived(bytes: number): boolean {
    const piece = this.nextRead().subarray(0, bytes);
    this.#head += bytes;
    this.send(piece, () => this.#written(bytes));
    this.#paused = this.#head + READ_BYTES > this.#tail + RING_BYTES;
    return !this.#paused;
  }

  #written(bytes: number): void {
    this.#tail += bytes;
    if (!this.#paused || this.#head + READ_BYTES > this.#tail + RING_BYTES) return;
    this.#paused = false;
    this.resume();
  }

  send(piece: Uint8Array, written?: () => void): void {
    this.#later(() => this.#to.writable && this.#to.write(piece, written));
  }

  end(): void {
    this.#later(() => this.#to.end());
  }

  #later(act: () => void): void {
    this.#waiting.push({ dueMs: performance.now() + delayMs, act });
    if (this.#waiting.length === 1) setTimeout(() => this.#runDue(), delayMs);
  }

  #runDue(): void {
    const nowMs = performance.now();
    const firstLater = this.#waiting.findIndex(({ dueMs }) => dueMs > nowMs);
    const due = this.#waiting.splice(0, firstLater === -1 ? this.#waiting.length : firstLater);
    this.#to.cork();
    for (const { act } of due) act();
    this.#to.uncork();
    const next = this.#waiting[0];
    if (next !== undefined) setTimeout(() => this.#runDue(), Math.max(1, next.dueMs - nowMs));
  }
}
