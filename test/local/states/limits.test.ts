import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bench, invoke, startAt } from './bench.ts';

const pass = (fields: object): object => ({ Type: 'Pass', ...fields });
const caughtAll = { Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Caught' }] };
const Caught = pass({ End: true });
/** A JSON string of 262,144 bytes: the quotes count. */
const LARGEST = 'x'.repeat(262_142);

test('a result of 256 KiB passes, one byte more fails with States.DataLimitExceeded, which nothing catches', async () => {
  const bench = new Bench();
  bench.functions.set('read', ({ extra }) => LARGEST + 'x'.repeat(Number(extra)));
  const Resource = 'arn:aws:lambda:us-east-1:123456789012:function:read';
  const machine = startAt('Read', { Read: { Type: 'Task', Resource, End: true, ...caughtAll }, Caught });
  assert.equal((await bench.run(machine, { extra: 0 })).status, 'SUCCEEDED');
  const execution = await bench.run(machine, { extra: 1 });
  assert.deepEqual([execution.status, execution.error], ['FAILED', 'States.DataLimitExceeded']);
});

test('the size counts UTF-8 bytes, not characters', async () => {
  const machine = startAt('P', { P: pass({ End: true }) });
  assert.equal((await new Bench().run(machine, 'é'.repeat(131_071))).status, 'SUCCEEDED');
  assert.equal((await new Bench().run(machine, 'é'.repeat(131_072))).error, 'States.DataLimitExceeded');
});

test('arguments, outputs, map results and variables above 256 KiB fail with States.DataLimitExceeded', async () => {
  const double = '{% $states.input & $states.input %}';
  const machines = [
    startAt('Read', { Read: invoke('read', { Arguments: { FunctionName: 'read', Payload: double } }) }),
    startAt('P', { P: pass({ Output: double, End: true }) }),
    startAt('P', { P: pass({ Assign: { a: double }, End: true }) }),
    startAt('M', {
      M: {
        Type: 'Map',
        Items: [1, 2, 3],
        ItemProcessor: {
          ProcessorConfig: { Mode: 'INLINE' },
          StartAt: 'P',
          States: { P: pass({ Output: '{% $pad("", 100000, "x") %}', End: true }) },
        },
        End: true,
      },
    }),
  ];
  for (const machine of machines) {
    assert.equal((await new Bench().run(machine, 'x'.repeat(200_000))).error, 'States.DataLimitExceeded');
  }
});

test('an endless loop ends at 25,000 history events', async () => {
  const machine = startAt('A', {
    A: pass({ Next: 'C' }),
    C: { Type: 'Choice', Choices: [{ Condition: '{% false %}', Next: 'B' }], Default: 'A' },
    B: { Type: 'Succeed' },
  });
  const execution = await new Bench().run(machine);
  assert.deepEqual([execution.status, execution.error], ['FAILED', 'States.Runtime']);
  assert.equal(execution.history.length, 25_000);
  assert.equal(execution.history.at(-1)?.type, 'ExecutionFailed');
});

test('an endless expression ends', async () => {
  const endless = '{% ($f := function($n) { $f($n + 1) }; $f(0)) %}';
  const execution = await new Bench().run(startAt('P', { P: pass({ Output: endless, End: true }) }));
  assert.equal(execution.error, 'States.QueryEvaluationError');
});
