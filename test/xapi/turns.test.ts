import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from '#lib/xapi/turns.ts';

const signal = new AbortController().signal;

test('turns are given in the order of arrival, never more than there are', async () => {
  const turns = new Turns(1);
  const first = await turns.take(signal);
  const order: string[] = [];
  const waiting = ['a', 'b'].map(async (name) => {
    using _turn = await turns.take(signal);
    order.push(name);
  });
  await Promise.resolve();
  assert.deepEqual(order, []);
  first[Symbol.dispose]();
  await Promise.all(waiting);
  assert.deepEqual(order, ['a', 'b']);
});

test('whoever stops waiting gives the place to the next', async () => {
  const turns = new Turns(1);
  const first = await turns.take(signal);
  const impatient = new AbortController();
  const left = turns.take(impatient.signal);
  const next = turns.take(signal);
  impatient.abort(new Error('enough'));
  await assert.rejects(left, /enough/);
  first[Symbol.dispose]();
  (await next)[Symbol.dispose]();
  (await turns.take(signal))[Symbol.dispose]();
});
