/** The parser of replies, fed in every possible division of the stream. */

import { strict as assert } from 'node:assert/strict';
import { test } from 'node:test';
import { array, constantFrom, assert as hold, integer, property, record, shuffledSubarray } from 'fast-check';
import { type AwaitedRead, ReplyParser } from '#lib/nbd/reply-parser.ts';
import { hex } from './scripted-server.ts';

/** The books of a connection, kept by the test. */
class Books {
  readonly awaited = new Map<number, AwaitedRead>();
  readonly completed: number[] = [];

  find(handle: number): AwaitedRead | undefined {
    return this.awaited.get(handle);
  }

  complete(handle: number): void {
    this.awaited.delete(handle);
    this.completed.push(handle);
  }

  await(handle: number, lengthBytes: number): Buffer {
    const target = Buffer.alloc(lengthBytes);
    this.awaited.set(handle, { offsetBytes: handle * 512, target });
    return target;
  }
}

function reply(handle: number, data: Buffer): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt32BE(0x67446698, 0);
  head.writeBigUInt64BE(BigInt(handle), 8);
  return Buffer.concat([head, data]);
}

const dataOf = (handle: number, lengthBytes: number): Buffer =>
  Buffer.from(Array.from({ length: lengthBytes }, (_, index) => (handle * 31 + index * 7) % 256));

test('every byte of a reply may be the last of its chunk', () => {
  const stream = Buffer.concat([reply(7, dataOf(7, 40)), reply(3, dataOf(3, 9))]);
  for (let split = 0; split <= stream.length; split += 1) {
    const books = new Books();
    const targets = [books.await(7, 40), books.await(3, 9)];
    const parser = new ReplyParser('host:10809', books);
    parser.push(stream.subarray(0, split));
    parser.push(stream.subarray(split));
    assert.deepEqual(targets, [dataOf(7, 40), dataOf(3, 9)]);
    assert.deepEqual(books.completed, [7, 3]);
  }
});

// Part of promise 1 of the design, a point is right or does not exist: what is stored is what the disk holds there.
test('whatever the chunks and the order, each byte lands in the read it belongs to', async () => {
  const reads = array(record({ lengthBytes: integer({ min: 1, max: 300 }), step: integer({ min: 1, max: 5 }) }), {
    minLength: 1,
    maxLength: 12,
  }).chain((list) => shuffledSubarray(list, { minLength: list.length }));
  const chunkBytes = array(constantFrom(1, 2, 3, 15, 16, 17, 64, 1000), { minLength: 1, maxLength: 50 });
  await hold(
    property(reads, chunkBytes, (list, sizes) => {
      const books = new Books();
      let last = 2 ** 32 - 10;
      const sent = list.map(({ lengthBytes, step }) => {
        last += step;
        return { handle: last, lengthBytes, target: books.await(last, lengthBytes) };
      });
      const inReplyOrder = sent.toSorted((a, b) => a.lengthBytes - b.lengthBytes);
      const stream = Buffer.concat(
        inReplyOrder.map((read) => reply(read.handle, dataOf(read.handle, read.lengthBytes))),
      );
      const parser = new ReplyParser('host:10809', books);
      for (let at = 0, turn = 0; at < stream.length; turn += 1) {
        const size = sizes[turn % sizes.length]!;
        parser.push(stream.subarray(at, at + size));
        at += size;
      }
      for (const { handle, lengthBytes, target } of sent) assert.deepEqual(target, dataOf(handle, lengthBytes));
      assert.deepEqual(
        books.completed,
        inReplyOrder.map((read) => read.handle),
      );
    }),
  );
});

test('a handle beyond the safe integers is nobody’s', () => {
  const books = new Books();
  books.await(2 ** 53 - 1, 4);
  const parser = new ReplyParser('host:10809', books);
  assert.throws(() => parser.push(hex('67446698 00000000 0020000000000000')), { name: 'NbdProtocolViolation' });
});

test('the end of the stream is a failed read only within a reply', () => {
  const books = new Books();
  books.await(1, 8);
  const parser = new ReplyParser('host:10809', books);
  assert.equal(parser.cutShort(undefined), undefined);
  parser.push(reply(1, Buffer.alloc(5)));
  assert.match(parser.cutShort(undefined)?.message ?? '', /8 bytes at 512 and closed after 5 of them/);
  parser.push(Buffer.alloc(3));
  assert.equal(parser.cutShort(undefined), undefined);
});

test('the messages of failed reads carry numbers and names of the protocol', () => {
  const books = new Books();
  books.await(1, 8);
  const parser = new ReplyParser('host:10809', books);
  assert.throws(() => parser.push(hex('67446698 0000001c 0000000000000001')), {
    name: 'NbdReadFailed',
    message: /host:10809 answers the read of 8 bytes at 512 with NBD_ENOSPC/,
  });
});
