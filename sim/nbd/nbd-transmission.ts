/** The transmission phase: one request at a time, simple replies, reads in pieces. */

import type { Socket } from 'node:net';
import type { ByteReader } from '#sim/wire/byte-reader.ts';
import { send } from '#sim/wire/send.ts';
import type { World } from '#sim/world.ts';
import type { Export } from './nbd-export.ts';
import * as nbd from './nbd-wire.ts';

/** 128 pages of 4 KiB. */
const PIECE_BYTES = 524_288;

/** Offsets and lengths must be multiples of the device's sectors. */
const SECTOR_BYTES = 512;

/** A longer read turns negative inside the daemon, after the header has been sent. */
const MAX_READ_BYTES = 0x7fff_ffff;

interface Connection {
  readonly socket: Socket;
  readonly reader: ByteReader;
  readonly attached: Export;
}

/** Returns when the connection is to be closed: after DISC, after any error reply, or because the client left. */
export async function transmit(world: World, connection: Connection): Promise<void> {
  const { socket, reader } = connection;
  const pieces = new PieceSender(world, connection);
  for (;;) {
    if (reader.ended) return;
    const request = nbd.readRequest(await reader.exactly(nbd.REQUEST_BYTES));
    if (!request || request.type === nbd.NBD_CMD_DISC) return;
    const error = errorFor(request);
    if (error !== 0) {
      // An error reply is always the last message; a WRITE's payload stays unread.
      await send(socket, nbd.simpleReply(error, request.handle));
      return;
    }
    world.counters.nbdReadRequests += 1;
    if (!(await pieces.read(request))) return;
  }
}

function errorFor({ type, offset, length }: nbd.Request): number {
  if (type === nbd.NBD_CMD_WRITE) return nbd.NBD_EPERM;
  if (type !== nbd.NBD_CMD_READ) return nbd.NBD_EINVAL;
  return offset % BigInt(SECTOR_BYTES) === 0n && length % SECTOR_BYTES === 0 ? 0 : nbd.NBD_EINVAL;
}

/** Reads one piece from the disk while the piece before it is on its way out. */
class PieceSender {
  readonly #world: World;
  readonly #connection: Connection;
  readonly #buffers = [Buffer.allocUnsafeSlow(PIECE_BYTES), Buffer.allocUnsafeSlow(PIECE_BYTES)] as const;
  #sending: Promise<void> = Promise.resolve();
  #sentBytes = 0;

  constructor(world: World, connection: Connection) {
    this.#world = world;
    this.#connection = connection;
  }

  /** False if the connection has to be cut. The header says OK before the first byte is read from the disk. */
  async read({ handle, offset, length }: nbd.Request): Promise<boolean> {
    const { socket, attached } = this.#connection;
    this.#sending = this.#after(nbd.simpleReply(0, handle));
    if (length > MAX_READ_BYTES || offset > BigInt(attached.sizeBytes)) return this.#cut();
    const end = Number(offset) + length;
    let turn = 0;
    for (let at = Number(offset); at < end; at += PIECE_BYTES) {
      const wanted = Math.min(PIECE_BYTES, end - at);
      if (at + wanted > attached.sizeBytes || this.#isBad(at, wanted)) return this.#cut();
      const buffer = this.#buffers[turn % 2 === 0 ? 0 : 1].subarray(0, wanted);
      await attached.image.readInto(buffer, at);
      this.#corrupt(buffer, at);
      await this.#sending;
      if (socket.destroyed || !(await this.#withinLimits(buffer))) return false;
      this.#sending = send(socket, buffer);
      this.#count(wanted);
      turn += 1;
    }
    await this.#sending;
    return !socket.destroyed;
  }

  async #after(bytes: Buffer): Promise<void> {
    await this.#sending;
    await send(this.#connection.socket, bytes);
  }

  async #cut(): Promise<false> {
    await this.#sending;
    return false;
  }

  #count(bytes: number): void {
    this.#sentBytes += bytes;
    this.#world.counters.countBytes(this.#connection.attached.vdiUuid, bytes);
  }

  #isBad(at: number, length: number): boolean {
    const bad = this.#world.faults.nbdBadByte;
    return bad !== undefined && bad >= at && bad < at + length;
  }

  #corrupt(buffer: Buffer, at: number): void {
    const index = (this.#world.faults.nbdFlippedByte ?? -1) - at;
    const byte = buffer[index];
    if (byte !== undefined) buffer[index] = byte ^ 0x80;
  }

  /** Plays connections that end or fall silent in the middle of a reply. */
  async #withinLimits(buffer: Buffer): Promise<boolean> {
    const { nbdCutAfterBytes, nbdStallAfterBytes } = this.#world.faults;
    const { socket } = this.#connection;
    const limit = Math.min(
      nbdCutAfterBytes ?? Number.POSITIVE_INFINITY,
      nbdStallAfterBytes ?? Number.POSITIVE_INFINITY,
    );
    const left = limit - this.#sentBytes;
    if (left >= buffer.length) return true;
    await send(socket, buffer.subarray(0, Math.max(0, left)));
    if (limit === nbdStallAfterBytes) await this.#clientLeft();
    return false;
  }

  /** What the client asked for ahead has to be taken in: behind it stands the end of the stream. */
  async #clientLeft(): Promise<void> {
    const { reader } = this.#connection;
    while ((await reader.some(PIECE_BYTES)) !== undefined);
  }
}
