import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bench, fails } from '../local/states/bench.ts';
import { STEPS, synthesize } from './installation.ts';

interface StateOf {
  readonly Branches?: readonly BlockOf[];
  readonly ItemProcessor?: BlockOf;
}
interface BlockOf {
  readonly States: Readonly<Record<string, StateOf>>;
}

const { definition } = synthesize();

function statesOf(block: BlockOf): [string, StateOf][] {
  return Object.entries(block.States).flatMap(([name, state]) => [
    [name, state] as [string, StateOf],
    ...[...(state.Branches ?? []), ...(state.ItemProcessor ? [state.ItemProcessor] : [])].flatMap(statesOf),
  ]);
}
const states = statesOf(definition as unknown as BlockOf);

test('the readers write their results to the vault, for which a feature flag is needed', () => {
  const map = states.find(([name]) => name === 'read-shards')?.[1];
  assert.ok(map !== undefined && 'ResultWriter' in map);
});

interface ShardPayload {
  readonly parts?: number;
  readonly shard?: number;
  readonly error?: string;
  readonly cause?: string;
}

/** Steps of a run that goes well; a test replaces what shall go wrong. */
function bench(
  answers: Partial<Record<(typeof STEPS)[number], (payload: ShardPayload, call: number) => unknown>> = {},
): {
  bench: Bench;
  calls: string[];
  run: () => ReturnType<Bench['run']>;
} {
  const place = new Bench();
  const runId = '0123456789abcdef';
  const shard = (index: number) => ({ runId, shard: index, disk: 'd', firstGrain: 0, endGrain: 9, plannedGrains: 9 });
  let kept: unknown;
  const well: typeof answers = {
    'snapshot-disks': () => ({ ready: true, runId, disks: 1, readers: 2 }),
    'split-extents': () => ({
      runId,
      shards: 2,
      shardsKey: 'shards.jsonl',
      resultsPrefix: 'results',
      readers: 2,
      plannedBytes: 9,
      budgetPassed: '',
    }),
    'read-shard': (item) => ({ ...item, done: true, parts: 1 }),
    'keep-failure': ({ error, cause }) => {
      kept ??= { error, cause };
      return kept;
    },
    'commit-point': () => ({ runId, outcome: 'committed', point: 'vms/point.json', storedBytes: 5 }),
    'release-host': () => ({ released: true, runId, removed: 1, left: 0 }),
  };
  const calls: string[] = [];
  for (const step of STEPS) {
    const answer = answers[step] ?? well[step];
    place.functions.set(step, (payload) => {
      calls.push(step);
      return answer?.(payload, calls.filter((each) => each === step).length);
    });
  }
  const lines = [shard(0), shard(1)].map((line) => JSON.stringify(line)).join('\n');
  place.objects.set('vault/shards.jsonl', Buffer.from(lines));
  return { bench: place, calls, run: () => place.run(definition, { vm: 'a' }) };
}

const failing =
  (name: string, message = 'what happened') =>
  () => {
    throw fails(name, message);
  };

test('a run that goes well ends with its restore point and releases the host once', async () => {
  const { calls, run } = bench();
  const { status, output } = await run();
  assert.equal(status, 'SUCCEEDED');
  assert.equal((output as { point: string }).point, 'vms/point.json');
  assert.deepEqual(calls, [
    'snapshot-disks',
    'split-extents',
    'read-shard',
    'read-shard',
    'commit-point',
    'release-host',
  ]);
});

test('the host steps are told the execution, its start and the request, and nothing else', async () => {
  const { bench: place, run } = bench();
  const { executionArn } = await run();
  const [first] = place.payloads as Record<string, unknown>[];
  assert.deepEqual(Object.keys(first ?? {}).sort(), ['execution', 'request', 'started']);
  assert.equal(first?.['execution'], executionArn);
  assert.deepEqual(first?.['request'], { vm: 'a' });
  assert.deepEqual(place.payloads.at(-1), first);
});

test('while the host is not ready the step waits as long as it asks for and is called again', async () => {
  const {
    bench: place,
    calls,
    run,
  } = bench({
    'snapshot-disks': (_, call) =>
      call < 3
        ? { ready: false, runId: 'r', waitSeconds: 17, waitingFor: 'a snapshot' }
        : { ready: true, runId: '0123456789abcdef', disks: 1, readers: 1 },
  });
  assert.equal((await run()).status, 'SUCCEEDED');
  assert.equal(calls.filter((step) => step === 'snapshot-disks').length, 3);
  assert.equal(place.clock.sleepsMs.filter((pause) => pause === 17_000).length, 2);
});

test('without any shard the point is committed and no reader is started', async () => {
  const { calls, run } = bench({
    'split-extents': () => ({
      runId: 'r',
      shards: 0,
      shardsKey: 'k',
      resultsPrefix: 'p',
      readers: 1,
      plannedBytes: 0,
      budgetPassed: '',
    }),
  });
  assert.equal((await run()).status, 'SUCCEEDED');
  assert.deepEqual(calls, ['snapshot-disks', 'split-extents', 'commit-point', 'release-host']);
});

test('a shard with work left is read on with its own answer as the input', async () => {
  const seen: unknown[] = [];
  const { run } = bench({
    'read-shard': (item, call) => {
      seen.push(item);
      return { ...item, done: call > 2, parts: call };
    },
  });
  assert.equal((await run()).status, 'SUCCEEDED');
  assert.equal(seen.length, 4);
  assert.ok(seen.some((item) => (item as { parts?: number }).parts !== undefined));
});

test('a shard that never gets done ends the run instead of being read for ever', async () => {
  const { calls, run } = bench({
    'read-shard': (item) => ({ ...item, done: false, parts: (item.parts ?? 0) + 1 }),
  });
  assert.equal((await run()).error, 'ShardTooSlow');
  assert.ok(calls.filter((step) => step === 'read-shard').length <= 128);
  assert.equal(calls.at(-1), 'release-host');
});

for (const step of ['snapshot-disks', 'split-extents', 'read-shard', 'commit-point'] as const) {
  test(`an error of ${step} ends the run as failed, after the host was released`, async () => {
    const { calls, run } = bench({ [step]: failing('RoleInsufficient') });
    const { status, error, cause } = await run();
    assert.equal(status, 'FAILED');
    assert.equal(calls.at(-1), 'release-host');
    assert.deepEqual([error, cause], ['RoleInsufficient', 'what happened']);
  });
}

test('a final error is not tried again, one that may pass is', async () => {
  const final = bench({ 'split-extents': failing('VaultAccessDenied') });
  await final.run();
  assert.equal(final.calls.filter((step) => step === 'split-extents').length, 1);
  const passing = bench({
    'commit-point': (_, call) => {
      if (call < 3) throw fails('VaultUnavailable');
      return { runId: 'r', outcome: 'already-committed', point: 'p', storedBytes: 0 };
    },
  });
  assert.equal((await passing.run()).status, 'SUCCEEDED');
  assert.equal(passing.calls.filter((step) => step === 'commit-point').length, 3);
});

test('when several readers fail, the run ends with the failure that came first', async () => {
  const { run } = bench({
    'read-shard': ({ shard }) => {
      throw fails(shard === 0 ? 'NbdCertificateMismatch' : 'HostBusy', `shard ${shard} said "no"`);
    },
  });
  const { error, cause } = await run();
  assert.deepEqual([error, cause], ['NbdCertificateMismatch', 'shard 0 said "no"']);
});

test('when nothing could be kept of a failed reader, the run ends with the reason for that', async () => {
  const { calls, run } = bench({
    'read-shard': failing('ExportRefused'),
    'keep-failure': failing('VaultAccessDenied'),
  });
  assert.equal((await run()).error, 'VaultAccessDenied');
  assert.equal(calls.at(-1), 'release-host');
});

test('an error without a message, or with a very long one, reaches the end of the run as it is', async () => {
  for (const [message, shown] of [
    ['', ''],
    ['x'.repeat(40_000), 'x'.repeat(40_000)],
  ] as const) {
    const { error, cause } = await bench({ 'split-extents': failing('RoleInsufficient', message) }).run();
    assert.deepEqual([error, cause], ['RoleInsufficient', shown]);
  }
});

test('a reader that finds the host full comes back for more than ten minutes', async () => {
  const { bench: place, calls, run } = bench({ 'read-shard': failing('HostBusy') });
  place.fractions.push(...Array.from({ length: 100 }, () => 0.999));
  assert.equal((await run()).status, 'FAILED');
  assert.ok(calls.filter((step) => step === 'read-shard').length >= 11);
  assert.ok(place.clock.sleepsMs.filter((pause) => pause > 29_000).length >= 10);
});

test('a lost race releases the host and is not a success', async () => {
  const { calls, run } = bench({
    'commit-point': () => ({ runId: 'r', outcome: 'lost-race', point: '', storedBytes: 5 }),
  });
  const { status, error } = await run();
  assert.deepEqual([status, error, calls.at(-1)], ['FAILED', 'LostRace', 'release-host']);
});

test('a release that fails after a committed point is not a success', async () => {
  const { status, error } = await bench({ 'release-host': failing('RoleInsufficient') }).run();
  assert.deepEqual([status, error], ['FAILED', 'RoleInsufficient']);
});

test('a release that fails after another error does not hide that error', async () => {
  const { status, error } = await bench({
    'commit-point': failing('CoverageIncomplete'),
    'release-host': failing('RoleInsufficient'),
  }).run();
  assert.deepEqual([status, error], ['FAILED', 'CoverageIncomplete']);
});

test('objects left on the host are not a success, although the point is committed', async () => {
  const { status, error } = await bench({
    'release-host': () => ({ released: true, runId: 'r', removed: 0, left: 1 }),
  }).run();
  assert.deepEqual([status, error], ['FAILED', 'HostNotReleased']);
});

test('a run that meets another one on its VM is no failure, makes no point, and says which run is at work', async () => {
  const { calls, run } = bench({ 'snapshot-disks': failing('RunInProgress', 'VM x is being backed up by arn:other') });
  const { status, output } = await run();
  assert.equal(status, 'SUCCEEDED');
  assert.deepEqual(output, { outcome: 'left-to-another-run', reason: 'VM x is being backed up by arn:other' });
  assert.deepEqual(calls, ['snapshot-disks', 'release-host']);
});

test('a run that meets another one and cannot be released is a failure', async () => {
  const { status, error } = await bench({
    'snapshot-disks': failing('RunInProgress'),
    'release-host': failing('RoleInsufficient'),
  }).run();
  assert.deepEqual([status, error], ['FAILED', 'RoleInsufficient']);
});
