import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COMMIT_MEMORY_MIB, READER_MEMORY_MIB } from '#lib/cost/readers.ts';
import {
  runTransitions,
  runTransitionsAfterPoint,
  runTransitionsToPoint,
  type StepCall,
} from '#lib/cost/run-transitions.ts';
import { commitPoint } from '#lib/workflow/commit-point.ts';
import { readShard } from '#lib/workflow/read-shard.ts';
import { synthesize } from '../cdk/installation.ts';
import { Bench, fails, MACHINE_ARN } from '../local/states/bench.ts';

const { definition } = synthesize();
const runId = '0123456789abcdef';

type Given = Readonly<Record<string, unknown>>;

interface Play {
  readonly shards: number;
  /** How many calls of a reader each shard takes. */
  readonly callsOfEach: number;
  /** Calls of snapshot-disks and of release-host that ask for another one, and calls of each step that fail. */
  readonly waits?: number;
  readonly failures?: number;
}

/** Plays the synthesized workflow; answers with the states it entered and the calls that it made. */
async function played({ shards, callsOfEach, waits = 0, failures = 0 }: Play) {
  const bench = new Bench();
  const calls: StepCall[] = [];
  const called = (step: string) => calls.filter((call) => call.step === step).length;
  const answer = (step: string, work: (given: Given, answers: number) => unknown) =>
    bench.functions.set(step, (given) => {
      const answered = called(step) >= failures || step === 'read-shard';
      calls.push({ step, answered });
      if (!answered) throw fails('VaultUnavailable');
      return work(given as Given, called(step) - failures);
    });
  const item = { runId, disk: 'd', firstGrain: 0, endGrain: 9, plannedGrains: 9 };
  const lines = Array.from({ length: shards }, (_, shard) => JSON.stringify({ ...item, shard }));
  bench.objects.set('vault/shards.jsonl', Buffer.from(lines.join('\n')));
  const split = { runId, shards, shardsKey: 'shards.jsonl', resultsPrefix: 'results', readers: 2 };
  const waiting = { runId, waitSeconds: 5, waitingFor: 'the host' };
  answer('snapshot-disks', (_, answers) =>
    answers > waits ? { ready: true, runId, disks: 1, readers: 2 } : { ready: false, ...waiting },
  );
  answer('split-extents', () => ({ ...split, plannedBytes: 9, budgetPassed: '' }));
  answer('read-shard', (given) => {
    const parts = Number(given['parts'] ?? 0) + 1;
    return { ...given, parts, done: parts === callsOfEach };
  });
  answer('commit-point', () => ({ runId, outcome: 'committed', point: 'p', storedBytes: 5 }));
  answer('release-host', (_, answers) =>
    answers > waits ? { released: true, runId, removed: 1, left: 0 } : { released: false, ...waiting },
  );
  const workflows = bench.workflows({ test: definition });
  const run = await workflows.start({ stateMachineArn: MACHINE_ARN, input: { vm: 'a' } });
  await bench.clock.runUntil(run.finished);
  assert.equal(run.status, 'SUCCEEDED', run.cause);
  const entered = workflows.executions.reduce((sum, { transitions }) => sum + transitions, 0);
  return { entered, calls, reading: { shards, readerCalls: called('read-shard') } };
}

for (const [shards, callsOfEach] of [
  [0, 0],
  [1, 1],
  [3, 1],
  [2, 4],
] as const) {
  test(`a run of ${shards} shards with ${callsOfEach} calls each enters as many states as its cost record says`, async () => {
    const { entered, reading } = await played({ shards, callsOfEach });
    assert.equal(entered, runTransitions(reading));
  });
}

for (const [waits, failures] of [
  [1, 0],
  [0, 1],
  [4, 2],
] as const) {
  test(`so does one whose host makes it wait ${waits} times and whose steps fail ${failures} times each`, async () => {
    const { entered, calls, reading } = await played({ shards: 2, callsOfEach: 1, waits, failures });
    // What happens to records: those of failed commits are there before the point, that of the last one comes after it.
    const isBefore = ({ step, answered }: StepCall) =>
      ['snapshot-disks', 'split-extents'].includes(step) || (step === 'commit-point' && !answered);
    const before = calls.filter(isBefore);
    const after = calls.filter((call) => !isBefore(call) && call.step !== 'read-shard');
    assert.equal(entered, runTransitionsToPoint(before, reading) + runTransitionsAfterPoint(after));
  });
}

test('GB-seconds are counted with the memory that the functions have', () => {
  assert.deepEqual([READER_MEMORY_MIB, COMMIT_MEMORY_MIB], [readShard.memoryMib, commitPoint.memoryMib]);
});
