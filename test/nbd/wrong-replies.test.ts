/** Each way a server can be wrong while it is read. */

import { strict as assert } from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { NbdConnectionLost, NbdProtocolViolation, NbdReadFailed } from '#lib/nbd/failures.ts';
import { allEndWith, readBlock, reading, SHORT_MS } from './reading.ts';
import { nextRequest, okReply } from './scripted-server.ts';

describe('a reply', () => {
  test('may come in any order', () =>
    reading(
      async (client) => {
        const requests = [await nextRequest(client), await nextRequest(client), await nextRequest(client)];
        for (const { handle, offset, length } of requests.reverse()) {
          client.send(okReply(handle), Buffer.alloc(length, offset / 4096));
        }
        await client.rest();
      },
      async (connection) => {
        const blocks = await Promise.all([1, 2, 3].map((index) => readBlock(connection, index)));
        assert.deepEqual(
          blocks.map((block) => [block[0], block[4095]]),
          [
            [1, 1],
            [2, 2],
            [3, 3],
          ],
        );
        await connection.close();
      },
    ));

  for (const [error, name] of [
    [1, /NBD_EPERM/],
    [5, /NBD_EIO/],
    [22, /NBD_EINVAL/],
    [77, /error 77/],
  ] as const) {
    test(`with error ${error} fails the read by name and everything else in flight`, () =>
      reading(
        async (client) => {
          const { handle } = await nextRequest(client);
          client.send(`67446698 ${error.toString(16).padStart(8, '0')}`, handle);
          await client.rest();
        },
        async (connection) => {
          const reads = [1, 2].map((index) => readBlock(connection, index));
          const failure = await allEndWith(NbdReadFailed, connection, reads);
          assert.match(failure.message, name);
          assert.match(failure.message, /4096 bytes at 4096/);
        },
      ));
  }

  test('cut short after OK fails the read', () =>
    reading(
      async (client) => {
        const { handle } = await nextRequest(client);
        client.send(okReply(handle), Buffer.alloc(1000));
        client.end();
      },
      async (connection) => {
        const failure = await allEndWith(NbdReadFailed, connection, [readBlock(connection, 1)]);
        assert.match(failure.message, /after 1000 of them/);
      },
    ));

  const lost: readonly [title: string, reply: (handle: Buffer) => (string | Buffer)[]][] = [
    ['with the wrong magic', (handle) => ['67446699 00000000', handle]],
    ['to a handle that was never given out', () => ['67446698 00000000 ffffffffffffffff']],
    ['that comes twice', (handle) => [okReply(handle), Buffer.alloc(4096), okReply(handle)]],
    [
      'with more data than asked for',
      (handle) => [okReply(handle), Buffer.alloc(4096), '00000000 00000000 0000000000000000'],
    ],
  ];
  for (const [title, reply] of lost) {
    test(`${title} ends the connection`, () =>
      reading(
        async (client) => {
          const { handle } = await nextRequest(client);
          client.send(...reply(handle));
          await client.rest();
        },
        async (connection) => {
          const [, second] = await Promise.allSettled([readBlock(connection, 1), readBlock(connection, 2)]);
          assert.ok(second?.status === 'rejected' && second.reason instanceof NbdProtocolViolation);
        },
      ));
  }

  test('nobody asked for ends the connection', () =>
    reading(
      async (client) => {
        await delay(SHORT_MS);
        client.send('67446698 00000000 0000000000000001');
        await client.rest();
      },
      async (connection) => {
        await delay(2 * SHORT_MS);
        await assert.rejects(readBlock(connection, 1), NbdProtocolViolation);
      },
    ));
});

describe('a connection that breaks', () => {
  test('between two replies rejects everything in flight', () =>
    reading(
      async (client) => {
        await nextRequest(client);
        client.end();
      },
      async (connection) => {
        await allEndWith(NbdConnectionLost, connection, [readBlock(connection, 1), readBlock(connection, 2)]);
      },
    ));

  test('by a reset names the reset as the cause', () =>
    reading(
      async (client) => {
        await nextRequest(client);
        client.reset();
      },
      async (connection) => {
        const failure = await allEndWith(NbdConnectionLost, connection, [readBlock(connection, 1)]);
        assert.equal((failure.cause as NodeJS.ErrnoException).code, 'ECONNRESET');
      },
    ));

  test('when the caller gives up rejects with his reason as the cause', () => {
    const caller = new AbortController();
    return reading(
      async (client) => {
        await nextRequest(client);
        caller.abort(new Error('enough'));
        await client.rest();
      },
      async (connection) => {
        const failure = await allEndWith(NbdConnectionLost, connection, [readBlock(connection, 1)]);
        assert.equal((failure.cause as Error).message, 'enough');
      },
      { signal: caller.signal },
    );
  });
});
