/**
 * A server that does exactly what a test's script says, right or wrong. Its bytes are written out by hand: a codec shared
 * with the client would agree with the client's mistakes.
 */

import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { TLSSocket, type TLSSocketOptions } from 'node:tls';
import type { TestCertificate } from '../servers/certificates.ts';

export interface ScriptedServer extends AsyncDisposable {
  readonly port: number;
  /** Settles when the script of the only connection has ended; rejects when the script failed. */
  readonly played: Promise<void>;
}

/** Starts to listen, and plays the script for the first connection. */
export async function play(script: (client: Client) => Promise<void>): Promise<ScriptedServer> {
  const sockets = new Set<Socket>();
  const { promise: played, resolve, reject } = Promise.withResolvers<void>();
  // Half open: the script, not the library, decides whether the server answers the client's end with its own.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    script(new Client(socket)).then(resolve, reject);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the scripted server has no port');
  return {
    port: address.port,
    played,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The client as the script sees it. */
export class Client {
  #socket: Socket;
  #received = Buffer.alloc(0);
  #hasGone = false;
  #news = Promise.withResolvers<void>();

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#hear(socket);
  }

  /** What the client has sent and the script has not asked for. */
  get unreadBytes(): number {
    return this.#received.length;
  }

  send(...parts: readonly (string | Buffer)[]): void {
    this.#socket.write(Buffer.concat(parts.map((part) => (typeof part === 'string' ? hex(part) : part))));
  }

  end(): void {
    this.#socket.end();
  }

  reset(): void {
    this.#socket.resetAndDestroy();
  }

  /** Exactly so many bytes. */
  async receive(bytes: number): Promise<Buffer> {
    while (this.#received.length < bytes) {
      if (this.#hasGone) throw new Error('the client has gone');
      await this.#news.promise;
    }
    const taken = this.#received.subarray(0, bytes);
    this.#received = this.#received.subarray(bytes);
    return taken;
  }

  /** Everything until the client closes, and then closes too. */
  async rest(): Promise<Buffer> {
    while (!this.#hasGone) await this.#news.promise;
    this.#socket.end();
    return this.#received;
  }

  /** TLS 1.2, as on a host; there the server is the last to speak, so it knows when the handshake is done. */
  async startTls(certificate: TestCertificate, options: TLSSocketOptions = {}): Promise<TLSSocket> {
    const secured = new TLSSocket(this.#socket, {
      isServer: true,
      maxVersion: 'TLSv1.2',
      cert: certificate.certificatePem,
      key: certificate.privateKeyPem,
      ...options,
    });
    this.#socket = secured;
    this.#hear(secured);
    await once(secured, 'secure');
    return secured;
  }

  #hear(socket: Socket): void {
    const tell = (): void => {
      this.#news.resolve();
      this.#news = Promise.withResolvers();
    };
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      tell();
    });
    for (const end of ['end', 'close']) {
      socket.on(end, () => {
        this.#hasGone = true;
        tell();
      });
    }
    // The client may go at any time; the script notices when it wants more of it.
    socket.on('error', () => undefined);
  }
}

export function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

export const GREETING = '4e42444d41474943 49484156454f5054 0001';
export const STARTTLS_REQUEST = '00000001 49484156454f5054 00000005 00000000';
export const STARTTLS_ACK = '0003e889045565a9 00000005 00000001 00000000';
export const STARTTLS_ERR_POLICY = '0003e889045565a9 00000005 80000002 00000000';
export const ZEROES = '00'.repeat(124);

/** The client's answer to the greeting without TLS; gives the export name. */
export async function exportNameOf(client: Client): Promise<string> {
  const header = await client.receive(16);
  return (await client.receive(header.readUInt32BE(12))).toString();
}

export function exportReply(sizeBytes: number): Buffer {
  const size = Buffer.alloc(8);
  size.writeUInt32BE(sizeBytes, 4);
  return Buffer.concat([size, hex('0003'), hex(ZEROES)]);
}

export interface SeenRequest {
  readonly type: number;
  readonly handle: Buffer;
  readonly offset: number;
  readonly length: number;
}

export async function nextRequest(client: Client): Promise<SeenRequest> {
  const bytes = await client.receive(28);
  if (bytes.readUInt32BE(0) !== 0x25609513) throw new Error(`not a request: ${bytes.toString('hex')}`);
  return {
    type: bytes.readUInt32BE(4),
    handle: bytes.subarray(8, 16),
    offset: Number(bytes.readBigUInt64BE(16)),
    length: bytes.readUInt32BE(24),
  };
}

export function okReply(handle: Buffer): Buffer {
  return Buffer.concat([hex('67446698 00000000'), handle]);
}

/** Serves an export of `sizeBytes` without TLS up to the first request. */
export async function openExport(client: Client, sizeBytes: number): Promise<void> {
  client.send(GREETING);
  await client.receive(4);
  await exportNameOf(client);
  client.send(exportReply(sizeBytes));
}
