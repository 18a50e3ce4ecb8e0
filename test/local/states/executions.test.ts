import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bench, eventTypes, fails, invoke, MACHINE_ARN, startAt } from './bench.ts';

const pass = (fields: object): object => ({ Type: 'Pass', End: true, ...fields });
const CHILD_ARN = MACHINE_ARN.replace(/test$/, 'child');
const startChild = (fields: object = {}): object => ({
  Type: 'Task',
  Resource: 'arn:aws:states:::states:startExecution.sync:2',
  Arguments: { StateMachineArn: CHILD_ARN, Input: { n: '{% $states.input.n %}' } },
  Output: '{% $states.result.Output %}',
  End: true,
  ...fields,
});

test('startExecution.sync:2 waits for the child and answers its output as JSON', async () => {
  const bench = new Bench();
  const workflows = bench.workflows({
    test: startAt('Child', { Child: startChild() }),
    child: startAt('P', { P: pass({ Output: { twice: '{% $states.input.n * 2 %}' } }) }),
  });
  const execution = await workflows.start({ stateMachineArn: MACHINE_ARN, input: { n: 4 } });
  await bench.clock.runUntil(execution.finished);
  assert.deepEqual(execution.output, { twice: 8 });
  assert.deepEqual(
    workflows.executions.map(({ stateMachineArn, transitions }) => [stateMachineArn, transitions]),
    [
      [MACHINE_ARN, 1],
      [CHILD_ARN, 1],
    ],
  );
});

test("a child that fails is States.TaskFailed with the child's error in the cause", async () => {
  const bench = new Bench();
  const workflows = bench.workflows({
    test: startAt('Child', { Child: startChild() }),
    child: startAt('F', { F: { Type: 'Fail', Error: 'LostRace', Cause: 'somebody was first' } }),
  });
  const execution = await workflows.start({ stateMachineArn: MACHINE_ARN, input: { n: 4 } });
  await bench.clock.runUntil(execution.finished);
  assert.equal(execution.error, 'States.TaskFailed');
  const { Status, Error: error } = JSON.parse(execution.cause!);
  assert.deepEqual([Status, error], ['FAILED', 'LostRace']);
});

test('an unknown child machine is StepFunctions.StateMachineDoesNotExistException', async () => {
  const execution = await new Bench().run(startAt('Child', { Child: startChild() }), { n: 1 });
  assert.equal(execution.error, 'StepFunctions.StateMachineDoesNotExistException');
});

test('stopping an execution aborts it at once, runs no Catch, and stops its children', async () => {
  const bench = new Bench();
  const workflows = bench.workflows({
    test: startAt('Child', {
      Child: startChild({ Catch: [{ ErrorEquals: ['States.ALL'], Next: 'After' }] }),
      After: pass({}),
    }),
    child: startAt('W', { W: { Type: 'Wait', Seconds: 3600, End: true } }),
  });
  const execution = await workflows.start({ stateMachineArn: MACHINE_ARN, input: { n: 1 } });
  void bench.clock.sleep(10).then(() => workflows.stop(execution.executionArn, { error: 'Operator', cause: 'enough' }));
  await bench.clock.runUntil(execution.finished);
  assert.deepEqual([execution.status, execution.error, execution.cause], ['ABORTED', 'Operator', 'enough']);
  assert.equal(eventTypes(execution).at(-1), 'ExecutionAborted');
  const [, child] = workflows.executions;
  await child!.finished;
  assert.equal(child!.status, 'ABORTED');
  assert.ok(!execution.history.some(({ name }) => name === 'After'));
});

test('stopping an execution aborts the children of its distributed Map', async () => {
  const bench = new Bench();
  const workflows = bench.workflows({
    test: startAt('M', {
      M: {
        Type: 'Map',
        Items: [1, 2, 3],
        MaxConcurrency: 2,
        ItemProcessor: {
          ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' },
          StartAt: 'W',
          States: { W: { Type: 'Wait', Seconds: 3600, End: true } },
        },
        End: true,
      },
    }),
  });
  const execution = await workflows.start({ stateMachineArn: MACHINE_ARN });
  void bench.clock.sleep(10).then(() => workflows.stop(execution.executionArn));
  await bench.clock.runUntil(execution.finished);
  assert.deepEqual(
    workflows.executions.map(({ status }) => status),
    ['ABORTED', 'ABORTED', 'ABORTED'],
  );
});

test('a child machine is stopped when the task that waits for it times out', async () => {
  const bench = new Bench();
  const workflows = bench.workflows({
    test: startAt('Child', { Child: startChild({ TimeoutSeconds: 60 }) }),
    child: startAt('W', { W: { Type: 'Wait', Seconds: 3600, End: true } }),
  });
  const execution = await workflows.start({ stateMachineArn: MACHINE_ARN, input: { n: 1 } });
  await bench.clock.runUntil(execution.finished);
  assert.equal(execution.error, 'States.Timeout');
  const [, child] = workflows.executions;
  await child?.finished;
  assert.equal(child?.status, 'ABORTED');
});

test('an execution that is stopped in its last state is ABORTED, not SUCCEEDED', async () => {
  const bench = new Bench();
  const workflows = bench.workflows({ test: startAt('P', { P: pass({}) }) }, ({ type }) => {
    if (type === 'PassStateEntered') for (const { executionArn } of workflows.executions) workflows.stop(executionArn);
  });
  const execution = await workflows.start({ stateMachineArn: MACHINE_ARN });
  await execution.finished;
  assert.equal(execution.status, 'ABORTED');
});

test('describe answers RUNNING while an execution runs and its end afterwards', async () => {
  const bench = new Bench();
  const workflows = bench.workflows({ test: startAt('W', { W: { Type: 'Wait', Seconds: 60, End: true } }) });
  const { executionArn, finished } = await workflows.start({ stateMachineArn: MACHINE_ARN, name: 'nightly-1' });
  assert.equal(executionArn, 'arn:aws:states:us-east-1:123456789012:execution:test:nightly-1');
  assert.equal(workflows.describe(executionArn).status, 'RUNNING');
  assert.equal(workflows.describe(executionArn).stopDate, undefined);
  await bench.clock.runUntil(finished);
  assert.equal(workflows.describe(executionArn).status, 'SUCCEEDED');
  assert.equal(workflows.describe(executionArn).stopDate?.toISOString(), '2026-11-21T01:01:00.000Z');
  assert.throws(() => workflows.describe(`${executionArn}x`), { name: 'ExecutionDoesNotExist' });
});

test('a running name with the same input is the same execution; otherwise the name is taken', async () => {
  const bench = new Bench();
  const workflows = bench.workflows({ test: startAt('W', { W: { Type: 'Wait', Seconds: 60, End: true } }) });
  const request = { stateMachineArn: MACHINE_ARN, name: 'nightly', input: { vm: 1 } };
  const first = await workflows.start(request);
  assert.equal(await workflows.start(request), first);
  await assert.rejects(workflows.start({ ...request, input: { vm: 2 } }), { name: 'ExecutionAlreadyExists' });
  await bench.clock.runUntil(first.finished);
  await assert.rejects(workflows.start(request), { name: 'ExecutionAlreadyExists' });
});

test('a name that Step Functions refuses is refused', async () => {
  const workflows = new Bench().workflows({ test: startAt('P', { P: pass({}) }) });
  for (const name of ['2026-11-21T01:00:00Z', 'a b', 'x'.repeat(81), '']) {
    await assert.rejects(workflows.start({ stateMachineArn: MACHINE_ARN, name }), { name: 'InvalidExecutionName' });
  }
});

test('closing stops what runs and waits for it', async () => {
  const bench = new Bench();
  const workflows = bench.workflows({ test: startAt('W', { W: { Type: 'Wait', Seconds: 60, End: true } }) });
  const execution = await workflows.start({ stateMachineArn: MACHINE_ARN });
  await workflows.close();
  assert.equal(execution.status, 'ABORTED');
});

test('the history holds every input and output, so that a test can look for secrets in it', async () => {
  const bench = new Bench();
  bench.functions.set('login', () => ({ session: 'OpaqueRef:secret' }));
  const execution = await bench.run(startAt('Login', { Login: invoke('login', { Output: {} }) }));
  assert.match(JSON.stringify(execution.history), /OpaqueRef:secret/);
});

const refused = async (definition: object, message: RegExp): Promise<void> => {
  await assert.rejects(new Bench().run(definition), (error: Error) => {
    assert.equal(error.name, 'InvalidDefinition');
    assert.match(error.message, message);
    return true;
  });
};

test('JSONPath is refused by name, for the machine and for a single state', async () => {
  await refused({ ...startAt('P', { P: pass({}) }), QueryLanguage: 'JSONPath' }, /only JSONata runs here.*: P/);
  await refused(startAt('P', { P: pass({ QueryLanguage: 'JSONPath' }) }), /only JSONata runs here/);
});

test('what does not run here is refused by name before anything runs', async () => {
  await refused(startAt('T', { T: invoke('x', { HeartbeatSeconds: 5 }) }), /HeartbeatSeconds/);
  await refused(startAt('P', { P: pass({ Next: 'Nowhere', End: undefined }) }), /Nowhere|Next/);
  await refused(startAt('P', { P: pass({ Output: '{% 1 + %}' }) }), /Output/);
  await refused(
    startAt('T', { T: invoke('x', { Retry: [{ ErrorEquals: ['A'], BackoffRate: 0.5 }] }) }),
    /minimum of 1/,
  );
});

test('an integration that does not run here fails by name', async () => {
  const T = { Type: 'Task', Resource: 'arn:aws:states:::sns:publish', Arguments: {}, End: true };
  const execution = await new Bench().run(startAt('T', { T }));
  assert.equal(execution.error, 'States.Runtime');
  assert.match(execution.cause!, /sns:publish/);
});

test('a wait factor shortens waits and pauses between attempts but no time-out', async () => {
  const bench = new Bench();
  bench.waitFactor = 0.1;
  bench.functions.set('read', () => {
    throw fails('HostBusy');
  });
  const Retry = [{ ErrorEquals: ['HostBusy'], MaxAttempts: 1, IntervalSeconds: 10 }];
  const machine = startAt('W', {
    W: { Type: 'Wait', Seconds: 60, Next: 'Read' },
    Read: invoke('read', { Retry, TimeoutSeconds: 30 }),
  });
  await bench.run(machine);
  assert.deepEqual(bench.clock.sleepsMs, [6000, 30_000, 1000, 30_000]);
});
