/** NBD from both ends: what a host sends to the reader, and what a client sends to `blockferry serve`. */

import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { parseExpected, serverName, verifyCertificate } from '#lib/nbd/certificate.ts';
import { Handshake } from '#lib/nbd/handshake.ts';
import { type AwaitedRead, ReplyParser } from '#lib/nbd/reply-parser.ts';
import { ClientStream } from '#lib/nbd-server/client-stream.ts';
import { negotiate } from '#lib/nbd-server/negotiation.ts';
import { serveRequests } from '#lib/nbd-server/transmission.ts';
import { Secret } from '#lib/secret.ts';
import { MemoryDisk } from '../../nbd-server/memory-disk.ts';
import { issueCertificate } from '../../servers/certificates.ts';
import type { FuzzTarget } from '../target.ts';

const u16 = (value: number) => Buffer.from([value >> 8, value & 255]);
const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const u64 = (value: bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
};

const GREETING = Buffer.concat([Buffer.from('NBDMAGICIHAVEOPT'), u16(3)]);
const STARTTLS_ACK = Buffer.concat([u64(0x3e889045565a9n), u32(5), u32(1), u32(0)]);
const EXPORT = Buffer.concat([u64(1_048_576n), u16(3), Buffer.alloc(124)]);

/** The first byte chooses security and the size of the pieces in which the rest arrives. */
export const nbdHandshake: FuzzTarget = {
  name: 'nbd-handshake',
  from: 'host',
  seeds: () => [
    Buffer.concat([Buffer.from([0]), GREETING, STARTTLS_ACK, EXPORT]),
    Buffer.concat([Buffer.from([1]), GREETING, EXPORT]),
    Buffer.concat([Buffer.from([2]), GREETING, STARTTLS_ACK, EXPORT]),
  ],
  dictionary: ['NBDMAGIC', 'IHAVEOPT'],
  parse(input) {
    const mode = input[0] ?? 0;
    const plan = {
      peer: 'fuzz',
      exportName: new Secret('/disk?session_id=x'),
      security: (mode & 1) === 0 ? 'tls' : 'insecure',
    } as const;
    const handshake = new Handshake(plan);
    // A server owes silence after each reply, so what the client waits for is what a piece may hold at most.
    const pieceBytes = (mode & 2) === 0 ? Number.POSITIVE_INFINITY : 1 + (mode >> 2);
    let rest = input.subarray(1);
    const replies = [18, ...(plan.security === 'tls' ? [20] : []), 134];
    let steps = '';
    for (const replyBytes of replies) {
      let owed = (mode & 0x80) === 0 ? replyBytes : rest.length;
      while (owed > 0) {
        if (rest.length === 0) throw handshake.closed(undefined);
        const piece = rest.subarray(0, Math.min(owed, pieceBytes, rest.length));
        rest = rest.subarray(piece.length);
        owed -= piece.length;
        const step = handshake.push(piece);
        if (step !== undefined) steps += ` ${step.kind}`;
        if (step?.kind === 'start-tls') handshake.secured();
      }
    }
    return steps;
  },
};

const READS = [0, 512, 65_536, 1].map((bytes, at) => ({ offsetBytes: at * 65_536, target: Buffer.alloc(bytes) }));

const reply = (handle: number, bytes: number, error = 0) =>
  Buffer.concat([u32(0x67446698), u32(error), u64(BigInt(handle)), Buffer.alloc(error === 0 ? bytes : 0, 7)]);

/** The first byte is the size of the pieces; four reads of 0, 512, 65,536 and 1 bytes are awaited. */
export const nbdReplies: FuzzTarget = {
  name: 'nbd-replies',
  from: 'host',
  seeds: () => [
    Buffer.concat([Buffer.from([255]), reply(1, 512), reply(3, 1), reply(0, 0)]),
    Buffer.concat([Buffer.from([7]), reply(3, 1), reply(1, 512, 5)]),
    Buffer.concat([Buffer.from([255]), reply(2, 40_000)]),
  ],
  parse(input) {
    const awaited = new Map<number, AwaitedRead>(READS.entries());
    let completed = 0;
    const parser = new ReplyParser('fuzz', {
      find: (handle) => awaited.get(handle),
      complete: (handle) => {
        completed++;
        awaited.delete(handle);
      },
    });
    const pieceBytes = 1 + (input[0] ?? 0) * 64;
    for (let at = 1; at < input.length; at += pieceBytes) parser.push(input.subarray(at, at + pieceBytes));
    const cut = parser.cutShort(undefined);
    if (cut !== undefined) throw cut;
    return `${completed} of ${READS.length}`;
  },
};

const certificates = Promise.all(['one.test', 'two.test'].map((subject) => issueCertificate({ subject })));

/** PEM as the host's API names it; the server shows another certificate. */
export const nbdCertificate: FuzzTarget = {
  name: 'nbd-certificate',
  from: 'host',
  seeds: async () => (await certificates).map(({ certificatePem }) => Buffer.from(certificatePem)),
  dictionary: ['-----BEGIN CERTIFICATE-----', '-----END CERTIFICATE-----', '\n', 'MIIB'],
  async parse(input) {
    const [, other] = await certificates;
    const expected = { certificatePem: input.toString('latin1'), subject: input.toString('latin1', 40, 60) };
    const named = parseExpected(expected, 'fuzz');
    serverName(expected.subject);
    const shown = (input[0] ?? 0) % 2 === 0 ? named : new X509Certificate(other?.certificatePem ?? '');
    return verifyCertificate(shown, expected, { peer: 'fuzz', chainVerified: false });
  },
};

/** A client's bytes as a socket gives them; what the server answers is thrown away. */
class ClientBytes extends Duplex {
  readonly #bytes: Buffer;
  #given = false;

  constructor(bytes: Buffer) {
    super();
    this.#bytes = bytes;
  }

  override _read(): void {
    if (!this.#given && this.#bytes.length > 0) this.push(this.#bytes);
    this.#given = true;
    this.push(null);
  }

  override _write(_chunk: unknown, _encoding: unknown, done: () => void): void {
    done();
  }

  destroySoon(): void {
    this.destroy();
  }
}

const option = (kind: number, data = Buffer.alloc(0)) =>
  Buffer.concat([Buffer.from('IHAVEOPT'), u32(kind), u32(data.length), data]);
const text = (value: string) => Buffer.concat([u32(value.length), Buffer.from(value)]);
const request = (type: number, offset: number, bytes: number) =>
  Buffer.concat([u32(0x25609513), u16(0), u16(type), u64(9n), u64(BigInt(offset)), u32(bytes)]);

const FLAGS = u32(3);
const GO = option(7, Buffer.concat([text('disk'), u16(1), u16(3)]));
const DISC = request(2, 0, 0);
const STATUS = Buffer.concat([text('disk'), u32(1), text('base:allocation')]);

export const nbdServer: FuzzTarget = {
  name: 'nbd-server',
  from: 'client',
  seeds: () => [
    Buffer.concat([FLAGS, option(3), option(8), option(10, STATUS), GO, request(0, 0, 512), request(7, 0, 4096), DISC]),
    Buffer.concat([FLAGS, option(6, Buffer.concat([text(''), u16(0)])), option(9, STATUS), option(2)]),
    Buffer.concat([
      FLAGS,
      option(1, Buffer.from('disk')),
      request(0, 1024, 16),
      request(1, 0, 4),
      Buffer.alloc(4),
      DISC,
    ]),
    Buffer.concat([FLAGS, option(5), option(99, Buffer.from('?')), GO, request(3, 0, 0), DISC]),
  ],
  dictionary: ['IHAVEOPT', 'disk', 'base:allocation', 'base:', '\x25\x60\x95\x13'],
  async parse(input) {
    const socket = new ClientBytes(input);
    const stream = new ClientStream(socket as unknown as Socket);
    const signal = new AbortController().signal;
    try {
      const agreement = await negotiate(stream, { disks: [new MemoryDisk('disk', Buffer.alloc(4096, 1))] }, signal);
      if (agreement === undefined) return 'left';
      await serveRequests({ stream, agreement, signal, onFailedRead: () => undefined });
      return 'served';
    } finally {
      const closed = once(socket, 'close');
      stream.end();
      await closed;
    }
  },
};
