/** An NBD client with its own codec, for what the standard tools do not let us ask. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export class RawClient implements Disposable {
  readonly socket: Socket;
  #cookie = 0n;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    for (const event of ['error', 'readable', 'end', 'close']) socket.on(event, () => this.#wake());
  }

  /** Connected, greeted, and the client flags sent. */
  static async connect(uri: string, flags = 3): Promise<RawClient> {
    const { hostname, port } = new URL(uri);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    const client = new RawClient(socket);
    await client.read(18);
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(flags);
    socket.write(bytes);
    return client;
  }

  async read(bytes: number): Promise<Buffer> {
    for (;;) {
      const data: unknown = bytes === 0 ? Buffer.alloc(0) : this.socket.read(bytes);
      if (Buffer.isBuffer(data) && data.length === bytes) return data;
      if (data !== null || this.socket.readableEnded || this.socket.destroyed) throw new Error('the server hung up');
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }

  /** Sends an option; answers with the types of the replies up to the last one, and their data. */
  async option(option: number, data = Buffer.alloc(0)): Promise<{ type: number; data: Buffer }[]> {
    const head = Buffer.alloc(16);
    head.write('IHAVEOPT', 'latin1');
    head.writeUInt32BE(option, 8);
    head.writeUInt32BE(data.length, 12);
    this.socket.write(Buffer.concat([head, data]));
    const replies = [];
    for (;;) {
      const reply = await this.read(20);
      const type = reply.readUInt32BE(12);
      replies.push({ type, data: await this.read(reply.readUInt32BE(16)) });
      if (type === 1 || type >= 0x80000000) return replies;
    }
  }

  /** GO for an export, with or without structured replies. */
  async go(name: string): Promise<void> {
    const data = Buffer.alloc(6 + name.length);
    data.writeUInt32BE(name.length, 0);
    data.write(name, 4);
    const replies = await this.option(7, data);
    if (replies.at(-1)?.type !== 1) throw new Error(`GO was refused with ${replies.at(-1)?.type}`);
  }

  /** Sends a request without structured replies and takes its reply. */
  async request(
    type: number,
    { offset = 0, length = 0, payload = Buffer.alloc(0) },
  ): Promise<{ error: number; data: Buffer }> {
    const cookie = ++this.#cookie;
    const head = Buffer.alloc(28);
    head.writeUInt32BE(0x25609513, 0);
    head.writeUInt16BE(type, 6);
    head.writeBigUInt64BE(cookie, 8);
    head.writeBigUInt64BE(BigInt(offset), 16);
    head.writeUInt32BE(length, 24);
    this.socket.write(Buffer.concat([head, payload]));
    const reply = await this.read(16);
    if (reply.readUInt32BE(0) !== 0x67446698 || reply.readBigUInt64BE(8) !== cookie) throw new Error('not this reply');
    const error = reply.readUInt32BE(4);
    return { error, data: type === 0 && error === 0 ? await this.read(length) : Buffer.alloc(0) };
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
