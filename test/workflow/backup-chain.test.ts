/** The backup workflow as it is deployed, with steps that answer anything their contracts allow. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type * as z from 'zod/mini';
import { backupInput } from '#lib/workflow/backup-input.ts';
import { commitPoint } from '#lib/workflow/commit-point.ts';
import type { StepContract } from '#lib/workflow/contract.ts';
import { keepFailure } from '#lib/workflow/keep-failure.ts';
import { MAX_SHARD_PARTS, readShard, shardItem } from '#lib/workflow/read-shard.ts';
import { releaseHost } from '#lib/workflow/release-host.ts';
import { snapshotDisks } from '#lib/workflow/snapshot-disks.ts';
import { splitExtents } from '#lib/workflow/split-extents.ts';
import type { Execution } from '#local/states/execution.ts';
import { synthesize } from '../cdk/installation.ts';
import { Bench, fails } from '../local/states/bench.ts';
import { arbitraryOf } from './arbitrary.ts';

const { definition } = synthesize();
const contracts: readonly StepContract[] = [
  snapshotDisks,
  splitExtents,
  readShard,
  keepFailure,
  commitPoint,
  releaseHost,
];

/** 16 TiB in shards of the largest size, 4 GiB. */
const SHARDS_OF_16_TIB = 4_096;
const MAX_EVENTS = 5_000;
const MAX_PAYLOAD_BYTES = 65_536;

const accepts = (schema: z.ZodMiniType, value: unknown, step: string) => {
  const result = schema.safeParse(value);
  assert.ok(
    result.success,
    `${step} does not accept ${JSON.stringify(value)}: ${JSON.stringify(result.error?.issues)}`,
  );
};

test('whatever a step answers within its contract, the next step accepts what the workflow makes of it', async () => {
  const answers = fc.tuple(...contracts.map(({ output }) => fc.infiniteStream(arbitraryOf(output))));
  const anyShards = fc.array(arbitraryOf(shardItem), { minLength: 1, maxLength: 3 });
  const failing = fc.infiniteStream(fc.integer({ min: 0, max: 19 }).map((draw) => draw === 0));
  const property = fc.asyncProperty(arbitraryOf(backupInput), answers, anyShards, failing, async (...drawn) => {
    const [request, streams, shards, failures] = drawn;
    const bench = new Bench();
    const refused: unknown[] = [];
    for (const [index, { name, input }] of contracts.entries()) {
      bench.functions.set(name, (payload) => {
        try {
          accepts(input, payload, name);
        } catch (error) {
          refused.push(error);
        }
        if (failures.next().value) throw fails('RoleInsufficient', `${name} failed`);
        const answer = streams[index]?.next().value as Record<string, unknown>;
        return name === 'split-extents' ? { ...answer, shardsKey: 'shards' } : answer;
      });
    }
    bench.objects.set('vault/shards', Buffer.from(shards.map((shard) => JSON.stringify(shard)).join('\n')));
    const { status, error } = await bench.run(definition, request);
    assert.deepEqual(refused, []);
    assert.ok(status === 'SUCCEEDED' || !/^States\./.test(error ?? 'States.'), `${status} ${error}`);
  });
  await fc.assert(property, { numRuns: 25 });
});

/** A run over a 16 TiB disk whose every shard is handed on as often as it may be. */
async function largestRun(): Promise<readonly Execution[]> {
  const bench = new Bench();
  const runId = 'f'.repeat(16);
  const most = Number.MAX_SAFE_INTEGER;
  const item = { runId, disk: '5f0e4a3c-0b1d-4c2e-9f3a-6b7c8d9e0f1a', firstGrain: most, endGrain: most };
  const lines = Array.from({ length: SHARDS_OF_16_TIB }, (_, shard) =>
    JSON.stringify({ ...item, shard, plannedGrains: 65_536 }),
  );
  bench.objects.set('vault/shards', Buffer.from(lines.join('\n')));
  bench.functions.set('snapshot-disks', () => ({ ready: true, runId, disks: 16, readers: 16 }));
  const resultsPrefix = `${'p'.repeat(900)}/results`;
  bench.functions.set('split-extents', () => ({
    ...{
      runId,
      shards: SHARDS_OF_16_TIB,
      shardsKey: 'shards',
      resultsPrefix,
      readers: 16,
      plannedBytes: most,
      budgetPassed: '',
    },
  }));
  bench.functions.set('read-shard', (given) => {
    const parts = Number(given['parts'] ?? 0) + 1;
    // One shard needs every call it may have; the others show that their number does not matter.
    return { ...given, parts, done: given['shard'] !== 0 || parts === MAX_SHARD_PARTS };
  });
  bench.functions.set('commit-point', () => ({
    runId,
    outcome: 'committed',
    point: 'p'.repeat(900),
    storedBytes: most,
  }));
  bench.functions.set('release-host', () => ({ released: true, runId, removed: 64, left: 0 }));
  const workflows = bench.workflows({ test: definition });
  const execution = await workflows.start({
    stateMachineArn: 'arn:aws:states:us-east-1:123456789012:stateMachine:test',
    input: { vm: '5f0e4a3c-0b1d-4c2e-9f3a-6b7c8d9e0f1a' },
  });
  await bench.clock.runUntil(execution.finished);
  assert.equal(execution.status, 'SUCCEEDED');
  return workflows.executions;
}

test('a run over 16 TiB stays far below the limits of a history and of a payload in each of its executions', async () => {
  const executions = await largestRun();
  assert.equal(executions.length, SHARDS_OF_16_TIB + 1);
  for (const { history } of executions) {
    assert.ok(history.length < MAX_EVENTS, `${history.length} events`);
    for (const event of history) {
      const bytes = Buffer.byteLength(JSON.stringify(event));
      assert.ok(bytes < MAX_PAYLOAD_BYTES, `${event.type} has ${bytes} bytes`);
    }
  }
});
