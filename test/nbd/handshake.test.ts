/** The states of the negotiation, fed in every possible division of the server's bytes. */

import { strict as assert } from 'node:assert/strict';
import { test } from 'node:test';
import { Handshake, type HandshakeStep } from '#lib/nbd/handshake.ts';
import { Secret } from '#lib/secret.ts';
import { exportReply, GREETING, hex, STARTTLS_ACK, STARTTLS_REQUEST } from './scripted-server.ts';

const EXPORT_OPTION = `49484156454f5054 00000001 00000005 ${Buffer.from('/disk').toString('hex')}`;

function begin(security: 'tls' | 'insecure'): Handshake {
  return new Handshake({ peer: 'host:10809', exportName: new Secret('/disk'), security });
}

/** Feeds a reply in pieces; only the last piece may bring a step. */
function feed(handshake: Handshake, pieces: readonly Buffer[]): HandshakeStep | undefined {
  for (const piece of pieces.slice(0, -1)) assert.equal(handshake.push(piece), undefined);
  return handshake.push(pieces.at(-1)!);
}

/** The reply in two pieces at every split point, and byte by byte. */
function divisions(reply: Buffer): Buffer[][] {
  const inTwo = Array.from({ length: reply.length - 1 }, (_, at) => [
    reply.subarray(0, at + 1),
    reply.subarray(at + 1),
  ]);
  return [[reply], ...inTwo, [...reply].map((byte) => Buffer.from([byte]))];
}

test('with TLS nothing but STARTTLS is said before the peer is verified', () => {
  for (const greeting of divisions(hex(GREETING))) {
    for (const ack of divisions(hex(STARTTLS_ACK))) {
      const handshake = begin('tls');
      assert.deepEqual(feed(handshake, greeting), { kind: 'send', bytes: hex(STARTTLS_REQUEST) });
      assert.deepEqual(feed(handshake, ack), { kind: 'start-tls' });
      assert.throws(() => handshake.push(Buffer.from([0])), { name: 'NbdProtocolViolation' });
      assert.deepEqual(handshake.secured(), { kind: 'send', bytes: hex(EXPORT_OPTION) });
    }
  }
});

test('the export is open when its 134 bytes are there, however they come', () => {
  for (const reply of divisions(exportReply(0x9abcde00))) {
    const handshake = begin('insecure');
    assert.deepEqual(handshake.push(hex(GREETING)), { kind: 'send', bytes: hex(`00000001 ${EXPORT_OPTION}`) });
    assert.deepEqual(feed(handshake, reply), { kind: 'ready', exportBytes: 0x9abcde00 });
  }
});

test('the export name cannot be had before TLS', () => {
  const handshake = begin('tls');
  assert.throws(() => handshake.secured(), { name: 'NbdProtocolViolation' });
});
