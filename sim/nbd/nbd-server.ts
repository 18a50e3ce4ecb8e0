/** The NBD server of one host: accepts connections, counts slots, and takes each from greeting to unplugging. */

import { createServer, type Server, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { tlsPolicy } from '#sim/certificates.ts';
import type { Ref } from '#sim/database/database.ts';
import { pause } from '#sim/timings.ts';
import type { ByteReader } from '#sim/wire/byte-reader.ts';
import { listenOn } from '#sim/wire/listen.ts';
import { send } from '#sim/wire/send.ts';
import type { World } from '#sim/world.ts';
import { attachExport, detachExport, type Export } from './nbd-export.ts';
import { negotiate } from './nbd-negotiation.ts';
import { transmit } from './nbd-transmission.ts';
import { exportReply } from './nbd-wire.ts';

/** The daemon's own listen backlog. */
const BACKLOG = 5;

export class NbdServer {
  readonly #world: World;
  readonly #host: Ref;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Connections of this host; the limit is per host, the counters are of the pool. */
  #slots = 0;

  constructor(world: World, host: Ref) {
    this.#world = world;
    this.#host = host;
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => socket.destroy());
      this.#accept(socket).catch(() => socket.destroy());
    });
  }

  listen(port: number, host: string): Promise<number> {
    return listenOn(this.#server, { host, port, backlog: BACKLOG });
  }

  /** Ends every connection at once, as a crash does. */
  dropConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.dropConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #accept(socket: Socket): Promise<void> {
    const { faults, counters, nbdConnectionLimit } = this.#world;
    if (this.#slots >= nbdConnectionLimit || faults.nbdRefuses) {
      // Nothing is sent: the client sees a connection that ends before its greeting.
      counters.nbdConnectionsRefused += 1;
      this.#close(socket);
      return;
    }
    this.#slots += 1;
    counters.connectionOpened();
    try {
      await pause(faults.nbdGreetingDelayMs, this.#world.stopping.signal);
      await this.#serve(socket);
    } finally {
      this.#close(socket);
      // Counted here and not on 'close': a socket whose handle TLS has taken over never emits it.
      counters.connectionClosed();
      this.#slots -= 1;
    }
  }

  #close(socket: Socket): void {
    socket.end();
    socket.destroySoon();
    this.#sockets.delete(socket);
  }

  async #serve(socket: Socket): Promise<void> {
    const { certificates, ecdhCurve, faults, db } = this.#world;
    const purposes = new Set(db.network.refs().flatMap((ref) => db.network.get(ref).purpose));
    const secure = purposes.has('nbd');
    if (secure === purposes.has('insecure_nbd')) return;
    const { shown } = await certificates.nbd(faults.nbdCertificate);
    const upgrade = () => acceptTls(socket, tlsPolicy(shown, ecdhCurve));
    const agreed = await negotiate(socket, secure ? { mode: 'FORCEDTLS', upgrade } : { mode: 'NOTLS' });
    if (!agreed) return;
    const attached = await attachExport(this.#world, this.#host, agreed.exportName);
    // Whatever was wrong with the export, the client only sees the end of the connection.
    if (!attached) return;
    await this.#export(agreed.socket, agreed.reader, attached);
  }

  async #export(socket: Socket, reader: ByteReader, attached: Export): Promise<void> {
    try {
      await send(socket, exportReply(attached.sizeBytes));
      await transmit(this.#world, { socket, reader, attached });
    } finally {
      // The daemon closes the connection and frees its slot only after it has unplugged and destroyed the VBD. So even
      // after DISC or an error reply, the client sees the end of the stream seconds later, and then the disk is free.
      await detachExport(this.#world, attached);
      socket.end();
    }
  }
}

function acceptTls(socket: Socket, policy: ReturnType<typeof tlsPolicy>): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const secured = new TLSSocket(socket, { ...policy, isServer: true });
    secured.once('secure', () => resolve(secured));
    secured.once('error', (error) => {
      secured.destroy();
      reject(error);
    });
    secured.once('close', () => reject(new Error('the client left during the TLS handshake')));
  });
}
