/** A server that falls silent, at every stage: each wait has its deadline. */

import { strict as assert } from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { connectNbd, type NbdEndpoint } from '#lib/nbd/connect.ts';
import { NbdConnectionLost } from '#lib/nbd/failures.ts';
import { Secret } from '#lib/secret.ts';
import { issueCertificate } from '../servers/certificates.ts';
import { allEndWith, readBlock, reading, SHORT_MS } from './reading.ts';
import { type Client, exportNameOf, GREETING, nextRequest, okReply, play, STARTTLS_ACK } from './scripted-server.ts';

const { certificatePem } = await issueCertificate({ subject: 'xenhost.test' });
const address = '127.0.0.1';
const exportName = new Secret('disk');

function insecure(port: number): NbdEndpoint {
  return { address, port, exportName, security: { kind: 'insecure' } };
}

function secure(port: number): NbdEndpoint {
  return { address, port, exportName, security: { kind: 'tls', certificatePem, subject: 'xenhost.test' } };
}

describe('a server that falls silent', () => {
  const answers: readonly [title: string, answer: (client: Client, handle: Buffer) => void][] = [
    ['before a reply', () => undefined],
    ['in the head of a reply', (client) => client.send('67446698')],
    ['in the data of a reply', (client, handle) => client.send(okReply(handle), Buffer.alloc(1000))],
  ];
  for (const [title, answer] of answers) {
    test(`${title} is given up after progressMs`, () =>
      reading(
        async (client) => {
          answer(client, (await nextRequest(client)).handle);
          await client.rest();
        },
        async (connection) => {
          const failure = await allEndWith(NbdConnectionLost, connection, [readBlock(connection, 1)]);
          assert.match(failure.message, new RegExp(`sent nothing for ${SHORT_MS} ms`));
        },
        { deadlines: { progressMs: SHORT_MS } },
      ));
  }

  test('owes nothing while no read is in flight', () =>
    reading(
      async (client) => {
        const { handle } = await nextRequest(client);
        client.send(okReply(handle), Buffer.alloc(4096));
        const second = await nextRequest(client);
        client.send(okReply(second.handle), Buffer.alloc(4096));
        await client.rest();
      },
      async (connection) => {
        await readBlock(connection, 1);
        await delay(3 * SHORT_MS);
        await readBlock(connection, 2);
        await connection.close();
      },
      { deadlines: { progressMs: SHORT_MS } },
    ));

  test('but trickles is waited for', () =>
    reading(
      async (client) => {
        const { handle } = await nextRequest(client);
        client.send(okReply(handle));
        for (let sent = 0; sent < 4096; sent += 512) {
          await delay(100);
          client.send(Buffer.alloc(512, 7));
        }
        await client.rest();
      },
      async (connection) => {
        assert.equal((await readBlock(connection, 1))[4095], 7);
        await connection.close();
      },
      { deadlines: { progressMs: 500 } },
    ));

  test('at the goodbye does not hold up its client', () =>
    reading(
      async (client) => {
        assert.equal((await nextRequest(client)).type, 2);
      },
      async (connection) => {
        const begin = performance.now();
        await connection.close();
        assert.ok(performance.now() - begin >= SHORT_MS - 2, 'it did not wait for the server at all');
      },
      { deadlines: { closeMs: SHORT_MS } },
    ));
});

describe('a host that falls silent during the negotiation', () => {
  const stalls: readonly [
    deadline: string,
    endpoint: (port: number) => NbdEndpoint,
    script: (client: Client) => Promise<void>,
  ][] = [
    ['greetingMs', secure, async () => undefined],
    ['startTlsMs', secure, async (client) => client.send(GREETING)],
    [
      'tlsMs',
      secure,
      async (client) => {
        client.send(GREETING);
        await client.receive(20);
        client.send(STARTTLS_ACK);
      },
    ],
    [
      'exportMs',
      insecure,
      async (client) => {
        client.send(GREETING);
        await client.receive(4);
        await exportNameOf(client);
      },
    ],
  ];
  for (const [deadline, endpoint, script] of stalls) {
    test(`is given up after ${deadline}`, async () => {
      let client: Client | undefined;
      await using server = await play(async (connected) => {
        client = connected;
        await script(connected);
      });
      await assert.rejects(connectNbd(endpoint(server.port), { deadlines: { [deadline]: SHORT_MS } }), {
        name: 'NbdConnectionLost',
        message: new RegExp(deadline),
      });
      await server.played;
      await client?.rest();
    });
  }

  test('is given up at once when the caller gives up', async () => {
    const caller = new AbortController();
    await using server = await play(async () => {
      await delay(SHORT_MS);
      caller.abort(new Error('enough'));
    });
    await assert.rejects(connectNbd(secure(server.port), { signal: caller.signal }), (failure: unknown) => {
      assert.ok(failure instanceof NbdConnectionLost);
      assert.equal((failure.cause as Error).message, 'enough');
      return true;
    });
  });
});
