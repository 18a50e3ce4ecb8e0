/** A read-only NBD server: disks of a port behind it, any standard client in front of it. */

import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createSecureContext } from 'node:tls';
import { Failure } from '#lib/failure.ts';
import { ClientStream } from './client-stream.ts';
import { ClientGone } from './failures.ts';
import { negotiate, type Offer } from './negotiation.ts';
import type { ServedDisk } from './served-disk.ts';
import { serveRequests } from './transmission.ts';

/** Each may hold 32 MiB of replies: 1 GiB at most, and far more than the 16 connections that tools open. */
const MAX_CLIENTS = 32;
/** From the greeting to GO. Afterwards a client may be silent for days: a mounted file system is. */
const HANDSHAKE_MS = 30_000;

export interface NbdServerSettings {
  /** The first is also the export with the empty name. */
  readonly disks: readonly ServedDisk[];
  readonly listen: { readonly host: string; readonly port: number } | { readonly path: string };
  /** When given, clients must use TLS. PEM. */
  readonly tls?: { readonly certificate: string; readonly privateKey: string };
  /** Told what could not be served and whom the server turned away. */
  readonly onTrouble?: (message: string) => void;
}

/** The place to listen at cannot be had, or the certificate cannot be used. */
export class CannotServe extends Failure {
  static override readonly failureName = 'CannotServe';
}

export class NbdServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #offer: Offer;
  readonly #onTrouble: (message: string) => void;
  readonly #stopping = new AbortController();
  readonly #clients = new Set<Promise<void>>();
  readonly #sockets = new Set<Socket>();

  private constructor({ disks, tls, onTrouble }: NbdServerSettings) {
    this.#onTrouble = onTrouble ?? (() => undefined);
    this.#offer = tls === undefined ? { disks } : { disks, tls: secureContextOf(tls) };
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  static async start(settings: NbdServerSettings): Promise<NbdServer> {
    const server = new NbdServer(settings);
    try {
      server.#server.listen(settings.listen);
      await once(server.#server, 'listening');
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new CannotServe(`the NBD server cannot listen (${reason}); choose another address, port or socket`, {
        cause,
      });
    }
    return server;
  }

  /** `nbd://host:port`, `nbds://` with TLS, or `nbd+unix:///?socket=path`, as clients take it. */
  get uri(): string {
    const address = this.#server.address();
    const scheme = this.#offer.tls === undefined ? 'nbd' : 'nbds';
    if (typeof address === 'string') return `${scheme}+unix:///?socket=${address}`;
    if (address === null) throw new TypeError('the server does not listen');
    const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
    return `${scheme}://${host}:${address.port}`;
  }

  /** Breaks all connections off. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(new ClientGone('the server ends'));
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#clients);
    await closed;
  }

  #accept(socket: Socket): void {
    if (this.#sockets.size >= MAX_CLIENTS) {
      socket.destroy();
      this.#onTrouble(`a client was turned away: ${MAX_CLIENTS} are connected`);
      return;
    }
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    const client = this.#serve(socket).finally(() => this.#clients.delete(client));
    this.#clients.add(client);
  }

  /** Never rejects: what goes wrong with one client must not end the others. */
  async #serve(socket: Socket): Promise<void> {
    const stream = new ClientStream(socket);
    try {
      const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(HANDSHAKE_MS)]);
      const agreement = await negotiate(stream, this.#offer, signal);
      if (agreement === undefined) return;
      await serveRequests({
        stream,
        agreement,
        signal: this.#stopping.signal,
        onFailedRead: (failure, { offsetBytes, lengthBytes }) => {
          const what = `bytes ${offsetBytes}-${offsetBytes + lengthBytes - 1} of ${agreement.disk.name}`;
          this.#onTrouble(`${what} could not be served: ${String(failure)}`);
        },
      });
    } catch (failure) {
      if (!(failure instanceof ClientGone)) this.#onTrouble(`a client was cut off: ${String(failure)}`);
    } finally {
      stream.end();
    }
  }
}

function secureContextOf({ certificate, privateKey }: { certificate: string; privateKey: string }) {
  try {
    return createSecureContext({ cert: certificate, key: privateKey, minVersion: 'TLSv1.2' });
  } catch (cause) {
    throw new CannotServe('certificate and private key cannot be used together', { cause });
  }
}
