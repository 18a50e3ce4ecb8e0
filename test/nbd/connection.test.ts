/** How a connection ends, and what it refuses to ask for. */

import { strict as assert } from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { NbdConnectionLost } from '#lib/nbd/failures.ts';
import { EXPORT_BYTES, readBlock, reading, SHORT_MS } from './reading.ts';
import { nextRequest, okReply } from './scripted-server.ts';

describe('closing', () => {
  test('says NBD_CMD_DISC last, once, and waits for the end', () => {
    let seen: Buffer = Buffer.alloc(0);
    return reading(
      async (client) => {
        seen = await client.rest();
      },
      async (connection) => {
        await Promise.all([connection.close(), connection.close()]);
        await connection.close();
        assert.equal(seen.toString('hex'), `25609513${'00000002'}${'0'.repeat(40)}`);
      },
    );
  });

  test('rejects the reads that are not finished and never writes to their buffers again', () =>
    reading(
      async (client) => {
        const { handle } = await nextRequest(client);
        assert.equal((await nextRequest(client)).type, 2);
        client.send(okReply(handle), Buffer.alloc(4096, 9));
        client.end();
      },
      async (connection) => {
        const target = Buffer.alloc(4096);
        const unfinished = assert.rejects(connection.readInto(0, target), NbdConnectionLost);
        await delay(SHORT_MS);
        await connection.close();
        await unfinished;
        assert.ok(target.every((byte) => byte === 0));
        await assert.rejects(readBlock(connection, 1), NbdConnectionLost);
      },
    ));
});

describe('reads beyond the bounds', () => {
  test('wait for their turn, first come first served', () =>
    reading(
      async (client) => {
        const offsets: number[] = [];
        for (let served = 0; served < 10; served += 1) {
          const { handle, offset, length } = await nextRequest(client);
          // What the client has sent ahead lies in our buffer: at most one more request.
          await delay(5);
          assert.ok(client.unreadBytes <= 28, `${client.unreadBytes} bytes of requests too early`);
          offsets.push(offset / 4096);
          client.send(okReply(handle), Buffer.alloc(length, offset / 4096));
        }
        assert.deepEqual(offsets, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        await client.rest();
      },
      async (connection) => {
        const blocks = await Promise.all(Array.from({ length: 10 }, (_, index) => readBlock(connection, index)));
        assert.ok(blocks.every((block, index) => block[17] === index));
        await connection.close();
      },
      { maxInFlightRequests: 2 },
    ));

  test('wait for bytes too, but one read larger than the bound goes alone', () =>
    reading(
      async (client) => {
        for (let served = 0; served < 2; served += 1) {
          const { handle, length } = await nextRequest(client);
          await delay(5);
          assert.equal(client.unreadBytes, 0);
          client.send(okReply(handle), Buffer.alloc(length));
        }
        await client.rest();
      },
      async (connection) => {
        await Promise.all([readBlock(connection, 0), readBlock(connection, 1)]);
        await connection.close();
      },
      { maxInFlightBytes: 1000 },
    ));

  for (const [title, offsetBytes, lengthBytes] of [
    ['past the end', EXPORT_BYTES - 512, 1024],
    ['of nothing', 0, 0],
    ['before the beginning', -512, 512],
    ['of more than 32 MiB', 0, 33_554_433],
  ] as const) {
    test(`of the export are refused without asking the server: ${title}`, () =>
      reading(
        async (client) => {
          assert.equal((await client.rest()).readUInt32BE(4), 2, 'only the goodbye was sent');
        },
        async (connection) => {
          await assert.rejects(connection.read({ offsetBytes, lengthBytes }), { name: 'AssertionError' });
          await connection.close();
        },
      ));
  }
});
