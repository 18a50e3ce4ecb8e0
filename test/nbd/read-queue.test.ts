/** Which reads may be in flight. */

import { strict as assert } from 'node:assert/strict';
import { test } from 'node:test';
import { ReadQueue } from '#lib/nbd/read-queue.ts';

const REQUEST_BYTES = 28;

function queueOf(bounds: { maxInFlightBytes: number; maxInFlightRequests: number }, lengths: readonly number[]) {
  const queue = new ReadQueue(bounds);
  for (const length of lengths) {
    queue.add({ offsetBytes: 0, target: Buffer.alloc(length), resolve: () => undefined, reject: () => undefined });
  }
  const started = (): number => (queue.takeRequests()?.length ?? 0) / REQUEST_BYTES;
  const finish = (handle: number): void => queue.complete(handle, queue.find(handle)!);
  return { queue, started, finish };
}

test('each finished read gives its bytes and its place to the next', () => {
  const { queue, started, finish } = queueOf({ maxInFlightBytes: 1000, maxInFlightRequests: 2 }, Array(7).fill(500));
  for (const handle of [1, 3, 5]) {
    assert.equal(started(), 2);
    assert.equal(started(), 0);
    finish(handle);
    finish(handle + 1);
    assert.equal(queue.inFlightRequests, 0);
  }
  assert.equal(started(), 1);
  assert.ok(!queue.hasWaiting);
});

test('a small read does not overtake a large one', () => {
  const { started, finish } = queueOf({ maxInFlightBytes: 1000, maxInFlightRequests: 8 }, [600, 600, 100]);
  assert.equal(started(), 1);
  finish(1);
  assert.equal(started(), 2);
});

test('a failure ends what is in flight and what waits', () => {
  const queue = new ReadQueue({ maxInFlightBytes: 1000, maxInFlightRequests: 1 });
  let rejected = 0;
  const reject = (): void => {
    rejected += 1;
  };
  for (let index = 0; index < 3; index += 1) {
    queue.add({ offsetBytes: 0, target: Buffer.alloc(1), resolve: () => undefined, reject });
  }
  queue.takeRequests();
  queue.rejectAll(new Error('over') as never);
  assert.equal(rejected, 3);
  assert.equal(queue.takeRequests(), undefined);
});
