import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COMMIT_MEMORY_MIB, READER_MEMORY_MIB } from '#lib/cost/readers.ts';
import { runTransitions } from '#lib/cost/run-transitions.ts';
import { commitPoint } from '#lib/workflow/commit-point.ts';
import { readShard } from '#lib/workflow/read-shard.ts';
import { synthesize } from '../cdk/installation.ts';
import { Bench, MACHINE_ARN } from '../local/states/bench.ts';

const { definition } = synthesize();
const runId = '0123456789abcdef';

/** Plays the synthesized workflow over so many shards, each of which takes so many calls of a reader. */
async function played({ shards, callsOfEach }: { shards: number; callsOfEach: number }): Promise<number> {
  const bench = new Bench();
  const item = { runId, disk: 'd', firstGrain: 0, endGrain: 9, plannedGrains: 9 };
  const lines = Array.from({ length: shards }, (_, shard) => JSON.stringify({ ...item, shard }));
  bench.objects.set('vault/shards.jsonl', Buffer.from(lines.join('\n')));
  const split = { runId, shards, shardsKey: 'shards.jsonl', resultsPrefix: 'results', readers: 2 };
  bench.functions.set('snapshot-disks', () => ({ ready: true, runId, disks: 1, readers: 2 }));
  bench.functions.set('split-extents', () => ({ ...split, plannedBytes: 9, budgetPassed: '' }));
  bench.functions.set('read-shard', (given) => {
    const parts = Number(given['parts'] ?? 0) + 1;
    return { ...given, parts, done: parts === callsOfEach };
  });
  bench.functions.set('commit-point', () => ({ runId, outcome: 'committed', point: 'p', storedBytes: 5 }));
  bench.functions.set('release-host', () => ({ released: true, runId, removed: 1, left: 0 }));
  const workflows = bench.workflows({ test: definition });
  const run = await workflows.start({ stateMachineArn: MACHINE_ARN, input: { vm: 'a' } });
  await bench.clock.runUntil(run.finished);
  assert.equal(run.status, 'SUCCEEDED', run.cause);
  return workflows.executions.reduce((sum, { transitions }) => sum + transitions, 0);
}

for (const [shards, callsOfEach] of [
  [0, 0],
  [1, 1],
  [3, 1],
  [2, 4],
] as const) {
  test(`a run of ${shards} shards with ${callsOfEach} calls each enters as many states as its cost record says`, async () => {
    const readerCalls = shards * callsOfEach;
    assert.equal(await played({ shards, callsOfEach }), runTransitions({ shards, readerCalls }));
  });
}

test('GB-seconds are counted with the memory that the functions have', () => {
  assert.deepEqual([READER_MEMORY_MIB, COMMIT_MEMORY_MIB], [readShard.memoryMib, commitPoint.memoryMib]);
});
