/** An NBD client of raw bytes, so that a test can say what no well-behaved client would. */

import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Simulator } from '#sim/simulator.ts';

export class NbdBytes {
  socket: Socket | TLSSocket;
  #received: Buffer = Buffer.alloc(0);
  #closed = false;
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    this.#listen(socket);
  }

  static open(pool: Simulator, host = '127.0.0.1'): Promise<NbdBytes> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port: pool.nbdPort, host }, () => resolve(new NbdBytes(socket)));
      socket.on('error', reject);
    });
  }

  /** Through the greeting, client flags, STARTTLS and the TLS handshake. */
  static async secured(pool: Simulator): Promise<NbdBytes> {
    const client = await NbdBytes.open(pool);
    await client.take(18);
    client.send(Buffer.from([0, 0, 0, 1]));
    client.option(5);
    await client.take(20);
    await client.startTls(pool.certificatePem);
    return client;
  }

  /** An export, ready for requests; the 134-byte reply comes along. */
  static async attached(pool: Simulator, exportName: string): Promise<{ client: NbdBytes; reply: Buffer }> {
    const client = await NbdBytes.secured(pool);
    client.option(1, Buffer.from(exportName));
    return { client, reply: await client.take(134) };
  }

  startTls(ca: string): Promise<void> {
    const plain = this.socket;
    plain.removeAllListeners('data');
    return new Promise((resolve, reject) => {
      const secured = connectTls({ socket: plain, ca, servername: 'xenhost1.test', minVersion: 'TLSv1.2' }, () => {
        this.socket = secured;
        this.#listen(secured);
        resolve();
      });
      secured.on('error', reject);
    });
  }

  send(bytes: Buffer): void {
    this.socket.write(bytes);
  }

  option(code: number, payload = Buffer.alloc(0)): void {
    const header = Buffer.alloc(16);
    header.write('IHAVEOPT', 'latin1');
    header.writeUInt32BE(code, 8);
    header.writeUInt32BE(payload.length, 12);
    this.send(Buffer.concat([header, payload]));
  }

  request({ type = 0, handle = 1n, offset = 0n, length = 0 }): void {
    const header = Buffer.alloc(28);
    header.writeUInt32BE(0x25609513, 0);
    header.writeUInt32BE(type, 4);
    header.writeBigUInt64BE(handle, 8);
    header.writeBigUInt64BE(offset, 16);
    header.writeUInt32BE(length, 24);
    this.send(header);
  }

  /** Exactly this many bytes, or fewer if the server closes before. */
  async take(count: number): Promise<Buffer> {
    while (this.#received.length < count && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const taken = this.#received.subarray(0, count);
    this.#received = this.#received.subarray(count);
    return taken;
  }

  /** What still comes until the server closes. */
  rest(): Promise<Buffer> {
    return this.take(Number.MAX_SAFE_INTEGER);
  }

  end(): void {
    this.socket.destroy();
  }

  #listen(socket: Socket): void {
    socket.on('data', (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#wake?.();
    });
    const closed = () => {
      this.#closed = true;
      this.#wake?.();
    };
    socket.on('end', closed).on('close', closed).on('error', closed);
  }
}

/** Type of an option reply, after checking its fixed parts. */
export async function optionReplyType(client: NbdBytes, option: number): Promise<number> {
  const reply = await client.take(20);
  if (
    reply.readBigUInt64BE(0) !== 0x3e889045565a9n ||
    reply.readUInt32BE(8) !== option ||
    reply.readUInt32BE(16) !== 0
  ) {
    throw new Error(`not a reply to option ${option}: ${reply.toString('hex')}`);
  }
  return reply.readUInt32BE(12);
}
