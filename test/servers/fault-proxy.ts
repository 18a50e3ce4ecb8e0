/** A TCP proxy on loopback that breaks what passes through it, as told, while it passes. */

import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** What happens to one direction of every connection. Bytes count from the moment the fault was set. */
export interface DirectionFaults {
  /** Each byte arrives this much later; the order stays. */
  readonly latencyMs?: number;
  /** No more than this passes; what is held back arrives later, in small pieces. */
  readonly bytesPerSecond?: number;
  /** This share of the pieces is lost on the way once: it and what is behind it comes when TCP has sent it again. */
  readonly loss?: { readonly share: number; readonly resentAfterMs: number };
  /** After this many bytes the connection is gone in both directions, politely (FIN) or not (RST). */
  readonly cut?: { readonly afterBytes: number; readonly how: 'fin' | 'reset' };
  /** After this many bytes nothing comes any more, and nobody is told. */
  readonly stallAfterBytes?: number;
  /** The byte at this position is inverted. */
  readonly corruptAtByte?: number;
}

export interface ProxyFaults {
  readonly toServer?: DirectionFaults;
  readonly toClient?: DirectionFaults;
  /** Open connections are reset, and new ones at once. */
  readonly refuse?: true;
  /** How many times a cut, stall or corruption strikes before all is well again. Left out: every time. */
  readonly strikes?: number;
}

export interface FaultProxy extends AsyncDisposable {
  readonly port: number;
  /** Cuts, stalls, corruptions and refused connections so far. */
  readonly struck: number;
  /** Pieces that had to wait so far: for latency, a slow line or a loss. */
  readonly slowed: number;
  /** Connections made so far. */
  readonly connections: number;
  /** Applies from the next byte on, to open connections too; `{}` heals. */
  set(faults: ProxyFaults): void;
}

/** A segment of TCP on Ethernet: what a slow line delivers at a time, and what gets lost at a time. */
const SEGMENT_BYTES = 1448;
/** Bytes that may wait for their time in one direction: 2.5 Gbit/s at 50 ms. */
const MAX_DELAYED_BYTES = 16 * 1024 * 1024;

export async function startFaultProxy(target: { host?: string; port: number }): Promise<FaultProxy> {
  const proxy = new TcpProxy({ host: target.host ?? '127.0.0.1', port: target.port });
  await proxy.listen();
  return proxy;
}

class TcpProxy implements FaultProxy {
  faults: ProxyFaults = {};
  struck = 0;
  slowed = 0;
  connections = 0;
  readonly #target: { host: string; port: number };
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => this.#accept(client));
  #strikesLeft = Number.POSITIVE_INFINITY;

  constructor(target: { host: string; port: number }) {
    this.#target = target;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy is not listening');
    return address.port;
  }

  set(faults: ProxyFaults): void {
    this.faults = faults;
    this.#strikesLeft = faults.strikes ?? Number.POSITIVE_INFINITY;
    if (faults.refuse === true) for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Counts a strike; after the last one all is well. */
  strike(): void {
    this.struck++;
    this.#strikesLeft--;
    if (this.#strikesLeft <= 0) this.set({});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #accept(client: Socket): void {
    this.connections++;
    if (this.faults.refuse) {
      this.struck++;
      client.resetAndDestroy();
      return;
    }
    const server = connect({ ...this.#target, allowHalfOpen: true, noDelay: true });
    client.setNoDelay(true);
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      // What goes wrong on one side goes wrong on the other; there is nobody else to tell.
      socket.on('error', () => other.destroy());
      // A polite end passes through the pump, behind the bytes that are still delayed.
      socket.on('close', () => this.#sockets.delete(socket));
    }
    new Pump(this, { from: client, to: server, direction: 'toServer' }).start();
    new Pump(this, { from: server, to: client, direction: 'toClient' }).start();
  }
}

/** One direction of one connection. */
class Pump {
  readonly #proxy: TcpProxy;
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #direction: 'toServer' | 'toClient';
  /** The faults that `#passedBytes` was counted under. */
  #counted: ProxyFaults | undefined;
  #passedBytes = 0;
  #delayedBytes = 0;
  readonly #waiting: { readonly dueMs: number; readonly act: () => void }[] = [];
  /** When the last byte so far arrives: nothing overtakes it. */
  #lineFreeMs = 0;
  #stalled = false;

  constructor(proxy: TcpProxy, way: { from: Socket; to: Socket; direction: 'toServer' | 'toClient' }) {
    this.#proxy = proxy;
    this.#from = way.from;
    this.#to = way.to;
    this.#direction = way.direction;
  }

  start(): void {
    this.#from.on('data', (chunk: Buffer) => this.#pass(chunk));
    this.#from.on('end', () => this.#later(0, () => this.#to.end()));
    this.#to.on('drain', () => this.#resume());
    this.#from.resume();
  }

  #pass(chunk: Buffer): void {
    if (this.#stalled) return;
    const { faults } = this.#proxy;
    if (this.#counted !== faults) this.#passedBytes = 0;
    this.#counted = faults;
    const { cut, stallAfterBytes, corruptAtByte } = faults[this.#direction] ?? {};
    const before = this.#passedBytes;
    this.#passedBytes += chunk.length;
    const limit = Math.min(cut?.afterBytes ?? Number.POSITIVE_INFINITY, stallAfterBytes ?? Number.POSITIVE_INFINITY);
    if (corruptAtByte !== undefined && corruptAtByte >= before && corruptAtByte < this.#passedBytes) {
      chunk[corruptAtByte - before]! ^= 0xff;
      this.#proxy.strike();
    }
    if (this.#passedBytes <= limit) {
      this.#send(chunk);
      return;
    }
    this.#send(chunk.subarray(0, Math.max(limit - before, 0)));
    this.#proxy.strike();
    if (limit === stallAfterBytes) this.#stalled = true;
    else this.#later(0, () => this.#cut(cut?.how ?? 'reset'));
  }

  #cut(how: 'fin' | 'reset'): void {
    this.#stalled = true;
    if (how === 'reset') this.#to.resetAndDestroy();
    else this.#to.end(() => this.#to.destroy());
    this.#from.destroy();
  }

  #send(chunk: Buffer): void {
    const { bytesPerSecond, loss } = this.#faults();
    if (bytesPerSecond === undefined && loss === undefined) this.#sendPiece(chunk);
    else
      for (let at = 0; at < chunk.length; at += SEGMENT_BYTES) this.#sendPiece(chunk.subarray(at, at + SEGMENT_BYTES));
  }

  #sendPiece(chunk: Buffer): void {
    this.#delayedBytes += chunk.length;
    if (this.#delayedBytes > MAX_DELAYED_BYTES) this.#from.pause();
    this.#later(chunk.length, () => {
      this.#delayedBytes -= chunk.length;
      if (this.#to.writable && !this.#to.write(chunk)) this.#from.pause();
      else this.#resume();
    });
  }

  #resume(): void {
    if (this.#delayedBytes <= MAX_DELAYED_BYTES && !this.#to.writableNeedDrain) this.#from.resume();
  }

  #faults(): DirectionFaults {
    return this.#proxy.faults[this.#direction] ?? {};
  }

  /** In order, each not before its time: what was set to be slow is not overtaken when the proxy heals. */
  #later(bytes: number, act: () => void): void {
    const { latencyMs = 0, bytesPerSecond, loss } = this.#faults();
    const nowMs = performance.now();
    const onLineMs = bytesPerSecond === undefined ? 0 : (bytes / bytesPerSecond) * 1000;
    const resentMs = loss !== undefined && Math.random() < loss.share ? loss.resentAfterMs : 0;
    const dueMs = Math.max(this.#lineFreeMs, nowMs) + onLineMs + resentMs;
    this.#lineFreeMs = dueMs;
    if (dueMs + latencyMs <= nowMs && this.#waiting.length === 0) {
      act();
      return;
    }
    this.#proxy.slowed++;
    this.#waiting.push({ dueMs: dueMs + latencyMs, act });
    if (this.#waiting.length === 1) setTimeout(() => this.#runDue(), dueMs + latencyMs - nowMs);
  }

  #runDue(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const waitMs = next.dueMs - performance.now();
      // Timers fire up to a millisecond early.
      if (waitMs > 1) {
        setTimeout(() => this.#runDue(), waitMs);
        return;
      }
      this.#waiting.shift();
      next.act();
    }
  }
}
