import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bench, eventTypes, fails, invoke, startAt } from './bench.ts';

const pass = (Output: unknown, fields: object = {}): object => ({ Type: 'Pass', Output, End: true, ...fields });

test('a Pass without Output hands its input on', async () => {
  const execution = await new Bench().run(startAt('P', { P: { Type: 'Pass', End: true } }), { a: 1 });
  assert.equal(execution.status, 'SUCCEEDED');
  assert.deepEqual(execution.output, { a: 1 });
  assert.deepEqual(eventTypes(execution), [
    'ExecutionStarted',
    'PassStateEntered',
    'PassStateExited',
    'ExecutionSucceeded',
  ]);
  assert.equal(execution.transitions, 1);
});

test('only a string that begins and ends with the delimiters is an expression', async () => {
  const template = {
    sum: '{% $states.input.a + 1 %}',
    text: 'a {% 1 %}',
    spaced: ' {% 1 %}',
    list: ['{% 1 + 1 %}', 7, null],
  };
  const { output } = await new Bench().run(startAt('P', { P: pass(template) }), { a: 1 });
  assert.deepEqual(output, { sum: 2, text: 'a {% 1 %}', spaced: ' {% 1 %}', list: [2, 7, null] });
});

test('an expression that answers nothing raises States.QueryEvaluationError and names its field', async () => {
  const execution = await new Bench().run(startAt('P', { P: pass({ key: '{% $states.input.absent %}' }) }));
  assert.equal(execution.status, 'FAILED');
  assert.equal(execution.error, 'States.QueryEvaluationError');
  assert.match(execution.cause!, /^Output\.key: .*absent.*\(undefined\)/);
});

test('a misspelt variable raises States.QueryEvaluationError', async () => {
  const execution = await new Bench().run(startAt('P', { P: pass('{% $raeders %}', { Assign: { readers: 4 } }) }));
  assert.equal(execution.error, 'States.QueryEvaluationError');
});

test('a type error inside an expression raises States.QueryEvaluationError', async () => {
  const execution = await new Bench().run(startAt('P', { P: pass('{% "a" + 1 %}') }));
  assert.equal(execution.error, 'States.QueryEvaluationError');
});

test('the functions of Step Functions are there, and $eval is not', async () => {
  const bench = new Bench();
  bench.fractions.push(0.25);
  const { output } = await bench.run(
    startAt('P', {
      P: pass({
        partition: '{% $partition([1..5], 2) %}',
        range: '{% $range(0, 10, 5) %}',
        hash: '{% $hash("blockferry", "SHA-256") %}',
        parse: '{% $parse("{\\"a\\":[1]}") %}',
        random: '{% $random() %}',
        seeded: '{% $random(7) = $random(7) %}',
        uuid: '{% $length($uuid()) %}',
      }),
    }),
  );
  assert.deepEqual(output, {
    partition: [[1, 2], [3, 4], [5]],
    range: [0, 5, 10],
    hash: '7461b4dfaafb0b68ca32edcb2c9a88f6ccd8212c1442b1093b22391d259a6e8e',
    parse: { a: [1] },
    random: 0.25,
    seeded: true,
    uuid: 36,
  });
  const refused = await new Bench().run(startAt('P', { P: pass('{% $eval("1") %}') }));
  assert.equal(refused.error, 'States.QueryEvaluationError');
});

test('the context object tells execution, machine and state', async () => {
  const { output, executionArn } = await new Bench().run(startAt('Here', { Here: pass('{% $states.context %}') }), {
    x: 1,
  });
  assert.deepEqual(output, {
    Execution: {
      Id: executionArn,
      Name: '00000000-0000-4000-8000-000000000001',
      Input: { x: 1 },
      StartTime: '2026-11-21T01:00:00.000Z',
      RedriveCount: 0,
    },
    StateMachine: { Id: 'arn:aws:states:us-east-1:123456789012:stateMachine:test', Name: 'test' },
    State: { Name: 'Here', EnteredTime: '2026-11-21T01:00:00.000Z', RetryCount: 0 },
  });
});

const choice = {
  Type: 'Choice',
  Choices: [
    { Condition: '{% $states.input.n > 10 %}', Next: 'Seen', Output: { size: 'large' }, Assign: { by: 'rule 1' } },
    { Condition: '{% $states.input.n > 5 %}', Next: 'Seen' },
  ],
};

test('the first rule that holds decides, with its own Output and Assign', async () => {
  const machine = startAt('C', {
    C: { ...choice, Default: 'Seen', Output: { size: 'small' }, Assign: { by: 'default' } },
    Seen: pass({ input: '{% $states.input %}', by: '{% $exists($by) ? $by : "nobody" %}' }),
  });
  assert.deepEqual((await new Bench().run(machine, { n: 11 })).output, { input: { size: 'large' }, by: 'rule 1' });
  assert.deepEqual((await new Bench().run(machine, { n: 6 })).output, { input: { n: 6 }, by: 'nobody' });
  assert.deepEqual((await new Bench().run(machine, { n: 1 })).output, { input: { size: 'small' }, by: 'default' });
});

test('a Choice without a rule that holds and without Default fails with States.NoChoiceMatched', async () => {
  const execution = await new Bench().run(startAt('C', { C: choice, Seen: pass({}) }), { n: 1 });
  assert.equal(execution.error, 'States.NoChoiceMatched');
});

test('a condition that is not true or false raises States.QueryEvaluationError', async () => {
  const machine = startAt('C', { C: { Type: 'Choice', Choices: [{ Condition: '{% 1 %}', Next: 'S' }] }, S: pass({}) });
  assert.equal((await new Bench().run(machine)).error, 'States.QueryEvaluationError');
});

test('Wait lasts its seconds, computed or written, or until its time', async () => {
  const bench = new Bench();
  const execution = await bench.run(
    startAt('Short', {
      Short: { Type: 'Wait', Seconds: '{% $states.input.seconds %}', Next: 'Until' },
      Until: { Type: 'Wait', Timestamp: '2026-11-21T02:00:00Z', Next: 'Past' },
      Past: { Type: 'Wait', Timestamp: '2026-11-20T00:00:00Z', End: true },
    }),
    { seconds: 90 },
  );
  assert.equal(execution.status, 'SUCCEEDED');
  assert.deepEqual(bench.clock.sleepsMs, [90_000, 3_510_000, 0]);
});

test('Wait refuses a time that is none', async () => {
  for (const Seconds of ['{% -1 %}', '{% 1.5 %}', '{% "soon" %}']) {
    const execution = await new Bench().run(startAt('W', { W: { Type: 'Wait', Seconds, End: true } }));
    assert.equal(execution.error, 'States.QueryEvaluationError', Seconds);
  }
});

test('Fail ends the execution with its computed error and cause', async () => {
  const machine = startAt('F', { F: { Type: 'Fail', Error: '{% $states.input.name %}', Cause: 'because' } });
  const execution = await new Bench().run(machine, { name: 'LostRace' });
  assert.deepEqual([execution.status, execution.error, execution.cause], ['FAILED', 'LostRace', 'because']);
  assert.deepEqual(eventTypes(execution), ['ExecutionStarted', 'FailStateEntered', 'ExecutionFailed']);
});

test('Catch hands the error on, or what its Output makes of it, and assigns in the scope of the state', async () => {
  const bench = new Bench();
  bench.functions.set('read', () => {
    throw fails('HostBusy', 'no slot');
  });
  const Catch = [{ ErrorEquals: ['HostBusy'], Next: 'After', Assign: { seen: '{% $states.errorOutput.Error %}' } }];
  const After = pass({ input: '{% $states.input %}', seen: '{% $seen %}' });
  const plain = await bench.run(startAt('Read', { Read: invoke('read', { Catch }), After }));
  const cause = JSON.stringify({ errorType: 'HostBusy', errorMessage: 'no slot', trace: [] });
  assert.deepEqual(plain.output, { input: { Error: 'HostBusy', Cause: cause }, seen: 'HostBusy' });

  const Output = { name: '{% $states.errorOutput.Error %}', was: '{% $states.input %}' };
  const shaped = await bench.run(
    startAt('Read', { Read: invoke('read', { Catch: [{ ...Catch[0], Output }] }), After }),
    { shard: 7 },
  );
  assert.deepEqual(shaped.output, { input: { name: 'HostBusy', was: { shard: 7 } }, seen: 'HostBusy' });
});

test('an error that no catcher names leaves the execution failed', async () => {
  const bench = new Bench();
  bench.functions.set('read', () => {
    throw fails('Broken');
  });
  const Catch = [{ ErrorEquals: ['HostBusy'], Next: 'After' }];
  const execution = await bench.run(startAt('Read', { Read: invoke('read', { Catch }), After: pass({}) }));
  assert.deepEqual([execution.status, execution.error], ['FAILED', 'Broken']);
});

test('an error in Output of a Task is caught like an error of the task', async () => {
  const bench = new Bench();
  bench.functions.set('read', () => ({ ok: true }));
  const Read = invoke('read', {
    Output: '{% $states.result.Payload.absent %}',
    Catch: [{ ErrorEquals: ['States.QueryEvaluationError'], Next: 'After' }],
  });
  const execution = await bench.run(startAt('Read', { Read, After: pass({ caught: true }) }));
  assert.deepEqual(execution.output, { caught: true });
});

test('a task that takes longer than TimeoutSeconds fails with States.Timeout', async () => {
  const bench = new Bench();
  bench.functions.set('read', () => Promise.withResolvers().promise);
  const execution = await bench.run(startAt('Read', { Read: invoke('read', { TimeoutSeconds: 5 }) }));
  assert.equal(execution.error, 'States.Timeout');
  assert.deepEqual(bench.clock.sleepsMs, [5000]);
  assert.ok(eventTypes(execution).includes('TaskTimedOut'));
});

test('a task that ends in time is not touched by its TimeoutSeconds', async () => {
  const bench = new Bench();
  bench.functions.set('read', async () => {
    await bench.clock.sleep(4000);
    return 'done';
  });
  const execution = await bench.run(startAt('Read', { Read: invoke('read', { TimeoutSeconds: 5 }) }));
  assert.equal(execution.output, 'done');
  assert.equal(bench.clock.sleeping, 0, 'the time-out still ticks');
});

test('a machine that takes longer than TimeoutSeconds is TIMED_OUT, and no Catch runs', async () => {
  const bench = new Bench();
  bench.functions.set('read', () => Promise.withResolvers().promise);
  const Read = invoke('read', { Catch: [{ ErrorEquals: ['States.ALL'], Next: 'After' }] });
  const execution = await bench.run(startAt('Read', { Read, After: pass({}) }, { TimeoutSeconds: 60 }));
  assert.deepEqual([execution.status, execution.error], ['TIMED_OUT', 'States.Timeout']);
  assert.equal(eventTypes(execution).at(-1), 'ExecutionTimedOut');
});

test('the short form calls a function by its ARN with the arguments as payload', async () => {
  const bench = new Bench();
  bench.functions.set('read', (payload) => ({ got: payload }));
  const Read = {
    Type: 'Task',
    Resource: 'arn:aws:lambda:us-east-1:123456789012:function:read',
    Arguments: { n: '{% 1 + 1 %}' },
    End: true,
  };
  assert.deepEqual((await bench.run(startAt('Read', { Read }))).output, { got: { n: 2 } });
});
