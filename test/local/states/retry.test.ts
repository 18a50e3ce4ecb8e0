import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coversError, RetryBudget, retryDelaySeconds } from '#local/states/retry.ts';
import { Bench, eventTypes, fails, HandlerError, invoke, startAt } from './bench.ts';

const busyTwiceThenDone = (bench: Bench): void => {
  let calls = 0;
  bench.functions.set('read', () => {
    calls += 1;
    if (calls <= 2) throw fails('HostBusy');
    return { calls };
  });
};

test('intervals grow by the backoff rate from the interval on', () => {
  const retrier = { ErrorEquals: ['X'], IntervalSeconds: 3, BackoffRate: 1.5, MaxAttempts: 3 };
  assert.deepEqual(
    [1, 2, 3].map((attempt) => retryDelaySeconds(retrier, attempt, 0.9)),
    [3, 4.5, 6.75],
  );
});

test('what a retrier leaves out is 1 second, 3 attempts, doubled each time', async () => {
  const bench = new Bench();
  bench.functions.set('read', () => {
    throw fails('HostBusy');
  });
  const execution = await bench.run(
    startAt('Read', { Read: invoke('read', { Retry: [{ ErrorEquals: ['HostBusy'] }] }) }),
  );
  assert.deepEqual(bench.clock.sleepsMs, [1000, 2000, 4000]);
  assert.equal(execution.status, 'FAILED');
  assert.equal(execution.error, 'HostBusy');
});

test('MaxDelaySeconds caps the interval, and full jitter draws from zero up to the cap', () => {
  const retrier = { ErrorEquals: ['X'], IntervalSeconds: 10, MaxDelaySeconds: 15, JitterStrategy: 'FULL' as const };
  assert.equal(retryDelaySeconds(retrier, 4, 0), 0);
  assert.equal(retryDelaySeconds(retrier, 1, 0.5), 5);
  assert.equal(retryDelaySeconds(retrier, 4, 0.5), 7.5);
});

test('every retrier counts its own attempts, however the errors alternate', () => {
  const budget = new RetryBudget([
    { ErrorEquals: ['A'], MaxAttempts: 1 },
    { ErrorEquals: ['B'], MaxAttempts: 2 },
  ]);
  const spent = ['A', 'B', 'B', 'A', 'B'].map((error) => budget.spend(error, () => 0));
  assert.deepEqual(spent, [1, 1, 2, undefined, undefined]);
});

test('MaxAttempts 0 means never', () => {
  const budget = new RetryBudget([{ ErrorEquals: ['A'], MaxAttempts: 0 }, { ErrorEquals: ['States.ALL'] }]);
  assert.equal(
    budget.spend('A', () => 0),
    undefined,
  );
});

test('States.ALL covers everything but the two terminal errors', () => {
  assert.equal(coversError(['States.ALL'], 'AnyName'), true);
  assert.equal(coversError(['States.ALL'], 'States.Timeout'), true);
  assert.equal(coversError(['States.ALL'], 'States.DataLimitExceeded'), false);
  assert.equal(coversError(['States.ALL'], 'States.Runtime'), false);
});

test('States.TaskFailed covers everything but a time-out', () => {
  assert.equal(coversError(['States.TaskFailed'], 'HostBusy'), true);
  assert.equal(coversError(['States.TaskFailed'], 'States.Timeout'), false);
});

test('a task that succeeds at the third attempt has tried three times and bills three transitions', async () => {
  const bench = new Bench();
  busyTwiceThenDone(bench);
  const execution = await bench.run(
    startAt('Read', { Read: invoke('read', { Retry: [{ ErrorEquals: ['HostBusy'], IntervalSeconds: 2 }] }) }),
  );
  assert.deepEqual(execution.output, { calls: 3 });
  assert.deepEqual(bench.clock.sleepsMs, [2000, 4000]);
  assert.equal(execution.transitions, 3);
  assert.equal(eventTypes(execution).filter((type) => type === 'TaskScheduled').length, 3);
  assert.equal(eventTypes(execution).filter((type) => type === 'TaskFailed').length, 2);
});

test('the context tells a task which retry it is', async () => {
  const bench = new Bench();
  busyTwiceThenDone(bench);
  await bench.run(
    startAt('Read', {
      Read: {
        ...invoke('read', { Retry: [{ ErrorEquals: ['HostBusy'] }] }),
        Arguments: {
          FunctionName: 'arn:aws:lambda:us-east-1:123456789012:function:read',
          Payload: { retry: '{% $states.context.State.RetryCount %}' },
        },
      },
    }),
  );
  assert.deepEqual(bench.payloads, [{ retry: 0 }, { retry: 1 }, { retry: 2 }]);
});

test('a function that Lambda throttles fails with Lambda.TooManyRequestsException', async () => {
  const bench = new Bench();
  bench.functions.set('read', () => {
    throw new HandlerError({ kind: 'refused', name: 'TooManyRequestsException', message: 'slow down' });
  });
  const execution = await bench.run(
    startAt('Read', {
      Read: invoke('read', { Retry: [{ ErrorEquals: ['Lambda.TooManyRequestsException'], MaxAttempts: 1 }] }),
    }),
  );
  assert.equal(execution.error, 'Lambda.TooManyRequestsException');
  assert.equal(execution.cause, 'slow down');
});
