import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { StepContract } from '#lib/workflow/contract.ts';
import { MAX_COLLECTION_ROUNDS, MAX_ROUND_VERSIONS, planCollection } from '#lib/workflow/plan-collection.ts';
import { prunePoints } from '#lib/workflow/prune-points.ts';
import { removeVersions } from '#lib/workflow/remove-versions.ts';
import { sweepRuns } from '#lib/workflow/sweep-runs.ts';
import { takeInventory } from '#lib/workflow/take-inventory.ts';
import { verifyPoints } from '#lib/workflow/verify-points.ts';
import { writeReport } from '#lib/workflow/write-report.ts';
import { Bench, fails } from '../local/states/bench.ts';
import { arbitraryOf } from '../workflow/arbitrary.ts';
import { synthesize } from './installation.ts';

const { upkeep } = synthesize();
const STEPS = [
  'sweep-runs',
  'take-inventory',
  'prune-points',
  'plan-collection',
  'remove-versions',
  'verify-points',
  'write-report',
] as const;
type Step = (typeof STEPS)[number];
type Answer = (payload: Readonly<Record<string, unknown>>, call: number) => unknown;

const totals = { afterVersion: '', rounds: 1, removed: 0, held: 0, stopped: 0 };
const WELL: Record<Step, Answer> = {
  'sweep-runs': () => ({ removed: 0, left: 0 }),
  'take-inventory': () => ({ vms: 3 }),
  'prune-points': () => ({ done: true, afterVm: '', letGo: 2 }),
  'plan-collection': () => ({ ...totals, remove: [], more: false }),
  'remove-versions': () => ({ ...totals, more: false }),
  'verify-points': () => ({ done: true, afterDisk: '', disks: 2, findings: 0 }),
  'write-report': () => ({ page: 'reports/2026-11-22.html', pageBytes: 9, vms: 3, late: 0 }),
};

async function runUpkeep(answers: Partial<Record<Step, Answer>> = {}) {
  const bench = new Bench();
  const calls: Step[] = [];
  const payloads: Readonly<Record<string, unknown>>[] = [];
  for (const step of STEPS) {
    bench.functions.set(step, (payload) => {
      calls.push(step);
      payloads.push(payload);
      return (answers[step] ?? WELL[step])(payload, calls.filter((each) => each === step).length);
    });
  }
  const { status, error, cause, history } = await bench.run(upkeep);
  return { status, error, cause, calls, payloads, history };
}

const failing = (name: string) => () => {
  throw fails(name, `${name} happened`);
};

test('the pools are swept, points are let go, what nobody needs is collected, the rest is verified and reported', async () => {
  const { status, calls } = await runUpkeep();
  assert.deepEqual([status, calls], ['SUCCEEDED', [...STEPS]]);
});

for (const step of STEPS) {
  test(`a failure of ${step} keeps nobody from reporting, and is still the end of the upkeep`, async () => {
    const { status, error, cause, calls } = await runUpkeep({ [step]: failing('VaultAccessDenied') });
    assert.deepEqual([status, error, cause], ['FAILED', 'VaultAccessDenied', 'VaultAccessDenied happened']);
    assert.equal(calls.at(-1), 'write-report');
    assert.deepEqual(
      STEPS.filter((each) => !calls.includes(each)),
      step === 'plan-collection' ? ['remove-versions'] : [],
    );
  });
}

test('when several fail, the upkeep ends with the first failure', async () => {
  const { error } = await runUpkeep({
    'prune-points': failing('DamagedObject'),
    'verify-points': failing('VaultAccessDenied'),
  });
  assert.equal(error, 'DamagedObject');
});

test('findings are not a success, and neither is a disk that the collector passed over', async () => {
  const found = { 'verify-points': () => ({ done: true, afterDisk: '', disks: 2, findings: 1 }) };
  assert.equal((await runUpkeep(found)).error, 'VaultDamaged');
  const stopped = { 'remove-versions': () => ({ ...totals, stopped: 1, more: false }) };
  assert.equal((await runUpkeep(stopped)).error, 'CollectionStopped');
});

test('prune and verify are called again with their own answer until nothing is left', async () => {
  const { status, calls, payloads } = await runUpkeep({
    'prune-points': (_, call) => ({ done: call === 3, afterVm: `vm-${call}`, letGo: call }),
    'verify-points': (_, call) => ({ done: call === 2, afterDisk: `disk-${call}`, disks: call, findings: 0 }),
  });
  assert.equal(status, 'SUCCEEDED');
  const given = (step: Step) => payloads.filter((_, at) => calls[at] === step);
  assert.deepEqual(
    given('prune-points').map(({ afterVm }) => afterVm),
    [undefined, 'vm-1', 'vm-2'],
  );
  assert.deepEqual(
    given('verify-points').map(({ afterDisk }) => afterDisk),
    [undefined, 'disk-1'],
  );
});

test('what is removed is what was planned immediately before', async () => {
  const remove = [{ key: 'disks/a', versionId: 'v1' }];
  const { calls, payloads } = await runUpkeep({
    'plan-collection': (_, call) => ({ ...totals, rounds: call, remove, more: call < 2 }),
    'remove-versions': ({ remove: _, ...rest }) => rest,
  });
  const removals = payloads.filter((_, at) => calls[at] === 'remove-versions');
  assert.deepEqual(
    removals.map(({ rounds, remove: named }) => ({ rounds, named })),
    [
      { rounds: 1, named: remove },
      { rounds: 2, named: remove },
    ],
  );
});

test('the longest collection stays below 64 KiB in a state and 5,000 events', async () => {
  const key = `disks/${'d'.repeat(36)}/manifests/0000000000-${'r'.repeat(16)}.bfm`.padEnd(110, 'k');
  const remove = Array.from({ length: MAX_ROUND_VERSIONS }, () => ({ key, versionId: 'v'.repeat(32) }));
  const { status, history } = await runUpkeep({
    'plan-collection': ({ rounds = 0 }) => ({
      ...totals,
      afterVersion: key,
      rounds: Number(rounds) + 1,
      remove,
      more: Number(rounds) + 1 < MAX_COLLECTION_ROUNDS,
    }),
    'remove-versions': ({ remove: _, ...rest }) => rest,
  });
  assert.equal(status, 'SUCCEEDED');
  assert.ok(history.length < 5_000, `${history.length} events`);
  for (const event of history) assert.ok(Buffer.byteLength(JSON.stringify(event)) < 65_536, event.type);
});

test('whatever a step answers within its contract, or fails with, the next step accepts', async () => {
  const contracts: readonly StepContract[] = [
    ...[sweepRuns, takeInventory, prunePoints, planCollection, removeVersions, verifyPoints, writeReport],
  ];
  const answers = fc.tuple(...contracts.map(({ output }) => fc.infiniteStream(arbitraryOf(output))));
  const failures = fc.infiniteStream(fc.integer({ min: 0, max: 9 }).map((draw) => draw === 0));
  await fc.assert(
    fc.asyncProperty(answers, failures, async (streams, draws) => {
      const refused: string[] = [];
      const scripted = contracts.map(({ name, input }, index): [string, Answer] => [
        name,
        (payload) => {
          if (!input.safeParse(payload).success) refused.push(`${name} ${JSON.stringify(payload)}`);
          if (draws.next().value) throw fails('VaultAccessDenied');
          return streams[index]?.next().value;
        },
      ]);
      const { status, error } = await runUpkeep(Object.fromEntries(scripted));
      assert.deepEqual(refused, []);
      assert.ok(status === 'SUCCEEDED' || !/^States\./.test(error ?? 'States.'), `${status} ${error}`);
    }),
    { numRuns: 25 },
  );
});

test('the report is told the policies of the settings: what they select, when they run, how long points stay', async () => {
  const { payloads } = await runUpkeep();
  const { policies } = writeReport.input.parse(payloads.at(-1));
  const { policy, at, timezone, select, exclude } = policies[0] ?? {};
  assert.deepEqual([policy, at, timezone], ['nightly', '01:30', 'Europe/Berlin']);
  assert.deepEqual(select, { uuids: [], names: [], tags: ['gold'] });
  assert.deepEqual(exclude, { uuids: [], names: ['scratch'], tags: [] });
});
