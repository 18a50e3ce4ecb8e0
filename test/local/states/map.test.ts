import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Execution } from '#local/states/execution.ts';
import { Bench, eventTypes, fails, invoke, startAt } from './bench.ts';

const pass = (Output: object | string, fields: object = {}): object => ({ Type: 'Pass', Output, End: true, ...fields });
const inline = (States: Record<string, object>, fields: object = {}): object => ({
  Type: 'Map',
  Items: '{% $states.input.items %}',
  ItemProcessor: { ProcessorConfig: { Mode: 'INLINE' }, StartAt: Object.keys(States)[0], States },
  End: true,
  ...fields,
});
const distributed = (States: Record<string, object>, fields: object = {}): object => ({
  Type: 'Map',
  Items: '{% $states.input.items %}',
  ItemProcessor: {
    ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' },
    StartAt: Object.keys(States)[0],
    States,
  },
  End: true,
  ...fields,
});

/** A function that takes a virtual second and remembers how many of it ran at once. */
function countingReader(bench: Bench): { peak: number; started: unknown[] } {
  const seen = { running: 0, peak: 0, started: [] as unknown[] };
  bench.functions.set('read', async (payload) => {
    seen.started.push(payload);
    seen.running += 1;
    seen.peak = Math.max(seen.peak, seen.running);
    await bench.clock.sleep(1000);
    seen.running -= 1;
    if (payload['fail'] === true) throw fails('Broken', 'disk gone');
    return payload;
  });
  return seen;
}
const numbers = (count: number): { n: number }[] => Array.from({ length: count }, (_, n) => ({ n }));
const count = (execution: Execution, type: string): number =>
  eventTypes(execution).filter((each) => each === type).length;

test('an inline Map answers its iterations in the order of the items', async () => {
  const machine = startAt('M', { M: inline({ P: pass({ twice: '{% $states.input.n * 2 %}' }) }) });
  const execution = await new Bench().run(machine, { items: numbers(3) });
  assert.deepEqual(execution.output, [{ twice: 0 }, { twice: 2 }, { twice: 4 }]);
  assert.equal(execution.transitions, 4);
});

test('an inline iteration with one task writes the seven events that the quota arithmetic counts', async () => {
  const bench = new Bench();
  countingReader(bench);
  const execution = await bench.run(startAt('M', { M: inline({ Read: invoke('read') }) }), { items: numbers(1) });
  const types = eventTypes(execution);
  assert.deepEqual(types.slice(types.indexOf('MapIterationStarted'), types.indexOf('MapIterationSucceeded') + 1), [
    'MapIterationStarted',
    'TaskStateEntered',
    'TaskScheduled',
    'TaskStarted',
    'TaskSucceeded',
    'TaskStateExited',
    'MapIterationSucceeded',
  ]);
});

test('MaxConcurrency, written or computed, is never exceeded and is used', async () => {
  for (const MaxConcurrency of [3, '{% $states.input.readers %}']) {
    for (const map of [inline, distributed]) {
      const bench = new Bench();
      const seen = countingReader(bench);
      await bench.run(startAt('M', { M: map({ Read: invoke('read') }, { MaxConcurrency }) }), {
        items: numbers(10),
        readers: 3,
      });
      assert.equal(seen.peak, 3);
      assert.equal(seen.started.length, 10);
    }
  }
});

test('an inline Map runs at most 40 iterations at once', async () => {
  const bench = new Bench();
  const seen = countingReader(bench);
  await bench.run(startAt('M', { M: inline({ Read: invoke('read') }) }), { items: numbers(50) });
  assert.equal(seen.peak, 40);
});

test('a MaxConcurrency that is no count raises States.QueryEvaluationError', async () => {
  const machine = startAt('M', { M: inline({ P: pass({}) }, { MaxConcurrency: '{% "many" %}' }) });
  assert.equal((await new Bench().run(machine, { items: [] })).error, 'States.QueryEvaluationError');
});

test('ItemSelector sees the item, its index and the outer variables', async () => {
  const machine = startAt('Set', {
    Set: { Type: 'Pass', Assign: { run: 'r1' }, Next: 'M' },
    M: inline(
      { P: { Type: 'Pass', End: true } },
      {
        ItemSelector: {
          run: '{% $run %}',
          n: '{% $states.context.Map.Item.Value.n %}',
          at: '{% $states.context.Map.Item.Index %}',
        },
      },
    ),
  });
  const { output } = await new Bench().run(machine, { items: numbers(2) });
  assert.deepEqual(output, [
    { run: 'r1', n: 0, at: 0 },
    { run: 'r1', n: 1, at: 1 },
  ]);
});

test('after an iteration fails no further one starts, those in flight are aborted, and the Map has its error', async () => {
  const bench = new Bench();
  const seen = countingReader(bench);
  const items = [{ n: 0 }, { n: 1, fail: true }, ...numbers(8)];
  const machine = startAt('M', { M: inline({ Read: invoke('read') }, { MaxConcurrency: 3 }) });
  const execution = await bench.run(machine, { items });
  assert.deepEqual([execution.status, execution.error], ['FAILED', 'Broken']);
  assert.equal(count(execution, 'MapIterationFailed'), 1);
  assert.ok(seen.started.length <= 4, `${seen.started.length} iterations started`);
  assert.equal(count(execution, 'MapIterationStarted'), seen.started.length);
  assert.equal(count(execution, 'MapStateFailed'), 1);
});

test('a Parallel answers its branches in order and gives each the same input', async () => {
  const branch = (name: string): object => startAt(name, { [name]: pass({ [name]: '{% $states.input.n %}' }) });
  const machine = startAt('Both', { Both: { Type: 'Parallel', Branches: [branch('a'), branch('b')], End: true } });
  const execution = await new Bench().run(machine, { n: 5 });
  assert.deepEqual(execution.output, [{ a: 5 }, { b: 5 }]);
});

test('a failing branch halts its siblings and the Parallel can be caught', async () => {
  const bench = new Bench();
  bench.functions.set('read', () => {
    throw fails('HostBusy');
  });
  const machine = startAt('Both', {
    Both: {
      Type: 'Parallel',
      Branches: [
        startAt('W', { W: { Type: 'Wait', Seconds: 3600, Next: 'Late' }, Late: pass({}) }),
        startAt('Read', { Read: invoke('read') }),
      ],
      Catch: [{ ErrorEquals: ['HostBusy'], Next: 'Release' }],
      End: true,
    },
    Release: pass({ released: true }),
  });
  const execution = await bench.run(machine);
  assert.deepEqual(execution.output, { released: true });
  assert.ok(!execution.history.some(({ name }) => name === 'Late'));
  assert.equal(execution.stopDate!.getTime(), execution.startDate.getTime());
});

test('a distributed Map reads JSON Lines from S3 and runs each line as an execution of its own', async () => {
  const bench = new Bench();
  countingReader(bench);
  bench.objects.set('vault/runs/1/shards.jsonl', new TextEncoder().encode('{"n":0}\n{"n":1}\n\n{"n":2}\n'));
  const workflows = bench.workflows({
    test: startAt('M', {
      M: distributed(
        {
          Read: invoke('read', {
            Output: { id: '{% $states.context.Execution.Id %}', n: '{% $states.input.shard.n %}' },
          }),
        },
        {
          Items: undefined,
          ItemReader: {
            Resource: 'arn:aws:states:::s3:getObject',
            ReaderConfig: { InputType: 'JSONL' },
            Arguments: { Bucket: 'vault', Key: '{% $states.input.key %}' },
          },
          ItemSelector: { shard: '{% $states.context.Map.Item.Value %}' },
        },
      ),
    }),
  });
  const arn = 'arn:aws:states:us-east-1:123456789012:stateMachine:test';
  const execution = await workflows.start({ stateMachineArn: arn, name: 'r1', input: { key: 'runs/1/shards.jsonl' } });
  await bench.clock.runUntil(execution.finished);
  const children = workflows.executions.filter(({ parentArn }) => parentArn === execution.executionArn);
  assert.deepEqual(
    execution.output,
    children.map(({ executionArn }, n) => ({ id: executionArn, n })),
  );
  assert.equal(children.length, 3);
  assert.match(children[0]!.executionArn, /:execution:test\/M:00000000-/);
  assert.equal(execution.transitions, 1);
  assert.deepEqual(
    children.map(({ transitions }) => transitions),
    [1, 1, 1],
  );
  assert.equal(eventTypes(execution).includes('TaskStateEntered'), false);
});

test('items that cannot be read fail the Map with States.ItemReaderFailed', async () => {
  const reader = (InputType: string): object => ({
    Items: undefined,
    ItemReader: {
      Resource: 'arn:aws:states:::s3:getObject',
      ReaderConfig: { InputType },
      Arguments: { Bucket: 'vault', Key: 'items' },
    },
  });
  const bench = new Bench();
  const missing = await bench.run(startAt('M', { M: distributed({ P: pass({}) }, reader('JSON')) }));
  assert.equal(missing.error, 'States.ItemReaderFailed');
  bench.objects.set('vault/items', new TextEncoder().encode('{"n":1}\n{"n":'));
  const broken = await bench.run(startAt('M', { M: distributed({ P: pass({}) }, reader('JSONL')) }));
  assert.equal(broken.error, 'States.ItemReaderFailed');
  bench.objects.set('vault/items', new TextEncoder().encode('[1,2]'));
  const read = await bench.run(startAt('M', { M: distributed({ P: { Type: 'Pass', End: true } }, reader('JSON')) }));
  assert.deepEqual(read.output, [1, 2]);
});

test('a child that fails fails the Map Run, because nothing is tolerated by default', async () => {
  const bench = new Bench();
  const seen = countingReader(bench);
  const items = [{ n: 0, fail: true }, ...numbers(9)];
  const machine = startAt('M', { M: distributed({ Read: invoke('read') }, { MaxConcurrency: 2 }) });
  const execution = await bench.run(machine, { items });
  assert.equal(execution.error, 'States.ExceedToleratedFailureThreshold');
  assert.match(execution.cause!, /Broken/);
  assert.equal(count(execution, 'MapRunFailed'), 1);
  assert.ok(seen.started.length <= 3, `${seen.started.length} children started`);
});

test('failures within the tolerated percentage leave the Map Run successful; one more does not', async () => {
  const failing = (failures: number): object[] => numbers(10).map(({ n }) => ({ n, fail: n < failures }));
  const machine = startAt('M', { M: distributed({ Read: invoke('read') }, { ToleratedFailurePercentage: 20 }) });
  const bench = new Bench();
  countingReader(bench);
  const tolerated = await bench.run(machine, { items: failing(2) });
  assert.equal(tolerated.status, 'SUCCEEDED');
  const results = tolerated.output as { Status?: string; Error?: string; n?: number }[];
  assert.deepEqual([results[0]!.Status, results[0]!.Error, results[2]!.n], ['FAILED', 'Broken', 2]);
  const exceeded = await bench.run(machine, { items: failing(3) });
  assert.equal(exceeded.error, 'States.ExceedToleratedFailureThreshold');
});

test('with a count and a percentage the tighter one decides', async () => {
  const bench = new Bench();
  countingReader(bench);
  const tolerance = { ToleratedFailurePercentage: 50, ToleratedFailureCount: 1 };
  const items = numbers(10).map(({ n }) => ({ n, fail: n < 2 }));
  const execution = await bench.run(startAt('M', { M: distributed({ Read: invoke('read') }, tolerance) }), { items });
  assert.equal(execution.error, 'States.ExceedToleratedFailureThreshold');
});

test('a retry of a distributed Map is a new Map Run over all items', async () => {
  const bench = new Bench();
  let calls = 0;
  bench.functions.set('read', () => {
    calls += 1;
    if (calls === 1) throw fails('Broken');
    return calls;
  });
  const Retry = [{ ErrorEquals: ['States.ExceedToleratedFailureThreshold'], MaxAttempts: 1 }];
  const machine = startAt('M', { M: distributed({ Read: invoke('read') }, { Retry, MaxConcurrency: 1 }) });
  const execution = await bench.run(machine, { items: numbers(2) });
  assert.deepEqual(execution.output, [2, 3]);
  assert.equal(count(execution, 'MapRunStarted'), 2);
  assert.equal(execution.transitions, 2);
});

test('ResultWriter puts outputs and failures in files and a manifest that names them', async () => {
  for (const [transformation, expected] of [
    ['COMPACT', [[0], [2]]],
    ['FLATTEN', [0, 2]],
  ] as const) {
    const bench = new Bench();
    bench.functions.set('read', ({ n }) => {
      if (n === 1) throw fails('Broken');
      return [n];
    });
    const ResultWriter = {
      Resource: 'arn:aws:states:::s3:putObject',
      Arguments: { Bucket: 'vault', Prefix: '{% $states.input.prefix %}' },
      WriterConfig: { OutputType: 'JSON', Transformation: transformation },
    };
    const M = distributed({ Read: invoke('read') }, { ResultWriter, ToleratedFailureCount: 1 });
    const { output } = await bench.run(startAt('M', { M }), { items: numbers(3), prefix: 'runs/1/results' });
    const { MapRunArn, ResultWriterDetails } = output as {
      MapRunArn: string;
      ResultWriterDetails: { Bucket: string; Key: string };
    };
    const folder = `runs/1/results/${MapRunArn.split(':').at(-1)}`;
    assert.deepEqual(ResultWriterDetails, { Bucket: 'vault', Key: `${folder}/manifest.json` });
    const read = (key: string) => JSON.parse(new TextDecoder().decode(bench.objects.get(`vault/${key}`)));
    const { ResultFiles } = read(ResultWriterDetails.Key);
    assert.deepEqual(
      ResultFiles.SUCCEEDED.map(({ Key }: { Key: string }) => Key),
      [`${folder}/SUCCEEDED_0.json`],
    );
    assert.deepEqual(read(`${folder}/SUCCEEDED_0.json`), expected);
    const [failed] = read(`${folder}/FAILED_0.json`);
    assert.deepEqual([failed.Status, failed.Error, failed.Input], ['FAILED', 'Broken', '{"n":1}']);
  }
});

test('results that S3 does not take fail the Map with States.ResultWriterFailed', async () => {
  const bench = new Bench();
  bench.objects.set = () => {
    throw new Error('AccessDenied');
  };
  const ResultWriter = { Resource: 'arn:aws:states:::s3:putObject', Arguments: { Bucket: 'vault', Prefix: 'r' } };
  const execution = await bench.run(startAt('M', { M: distributed({ P: pass({}) }, { ResultWriter }) }), {
    items: [1],
  });
  assert.equal(execution.error, 'States.ResultWriterFailed');
});
