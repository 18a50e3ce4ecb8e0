import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvalidDefinition } from '#local/states/validation.ts';
import { Bench, invoke, startAt } from './bench.ts';

const pass = (fields: object): object => ({ Type: 'Pass', ...fields });
const seen = { Type: 'Pass', Output: { a: '{% $a %}', b: '{% $b %}' }, End: true };

test('an assigned variable is seen by every later state', async () => {
  const machine = startAt('Set', {
    Set: pass({ Assign: { a: 1, b: '{% $states.input.x %}' }, Next: 'Between' }),
    Between: pass({ Output: {}, Next: 'See' }),
    See: seen,
  });
  assert.deepEqual((await new Bench().run(machine, { x: [2] })).output, { a: 1, b: [2] });
});

test('Assign and Output see the values from before the state, so two variables can be swapped', async () => {
  const machine = startAt('Set', {
    Set: pass({ Assign: { a: 1, b: 2 }, Next: 'Swap' }),
    Swap: pass({ Assign: { a: '{% $b %}', b: '{% $a %}' }, Output: { before: '{% $a %}' }, Next: 'See' }),
    See: { ...seen, Output: { a: '{% $a %}', b: '{% $b %}', before: '{% $states.input.before %}' } },
  });
  assert.deepEqual((await new Bench().run(machine)).output, { a: 2, b: 1, before: 1 });
});

test('the result of a task can be assigned while its input goes on as output', async () => {
  const bench = new Bench();
  bench.functions.set('plan', () => ({ shards: 7 }));
  const machine = startAt('Plan', {
    Plan: invoke('plan', {
      Assign: { a: '{% $states.result.Payload.shards %}', b: '{% $states.input %}' },
      Output: '{% $states.input %}',
      End: undefined,
      Next: 'See',
    }),
    See: seen,
  });
  assert.deepEqual((await bench.run(machine, { vm: 'v' })).output, { a: 7, b: { vm: 'v' } });
});

test('a branch reads outer variables and keeps its own to itself', async () => {
  const machine = startAt('Set', {
    Set: pass({ Assign: { a: 1 }, Next: 'Both' }),
    Both: {
      Type: 'Parallel',
      Branches: [
        startAt('Inner', {
          Inner: pass({ Assign: { own: '{% $a + 1 %}' }, Next: 'Out' }),
          Out: pass({ Output: '{% $own %}', End: true }),
        }),
      ],
      Next: 'See',
    },
    See: pass({ Output: { result: '{% $states.input %}', own: '{% $exists($own) %}' }, End: true }),
  });
  assert.deepEqual((await new Bench().run(machine)).output, { result: [2], own: false });
});

test('a branch that assigns an outer variable is refused before anything runs', async () => {
  const machine = startAt('Set', {
    Set: pass({ Assign: { a: 1 }, Next: 'Both' }),
    Both: { Type: 'Parallel', Branches: [startAt('I', { I: pass({ Assign: { a: 2 }, End: true }) })], End: true },
  });
  await assert.rejects(new Bench().run(machine), (error: Error) => {
    assert.ok(error instanceof InvalidDefinition);
    assert.match(error.message, /\$a is a variable of an outer scope/);
    return true;
  });
});

test('the children of a distributed Map see no outer variables', async () => {
  const machine = startAt('Set', {
    Set: pass({ Assign: { a: 1 }, Next: 'M' }),
    M: {
      Type: 'Map',
      Items: [1],
      ItemProcessor: {
        ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' },
        StartAt: 'P',
        States: { P: pass({ Output: '{% $exists($a) %}', End: true }) },
      },
      End: true,
    },
  });
  assert.deepEqual((await new Bench().run(machine)).output, [false]);
});

test("iterations do not see each other's variables", async () => {
  const machine = startAt('M', {
    M: {
      Type: 'Map',
      Items: [1, 2],
      MaxConcurrency: 1,
      ItemProcessor: {
        ProcessorConfig: { Mode: 'INLINE' },
        StartAt: 'P',
        States: { P: pass({ Output: '{% $exists($x) %}', Assign: { x: 1 }, End: true }) },
      },
      End: true,
    },
  });
  assert.deepEqual((await new Bench().run(machine)).output, [false, false]);
});

test('what a state assigned stands in the history', async () => {
  const execution = await new Bench().run(startAt('Set', { Set: pass({ Assign: { token: 'visible' }, End: true }) }));
  const exited = execution.history.find(({ type }) => type === 'PassStateExited');
  assert.deepEqual(exited?.assignedVariables, { token: 'visible' });
});
