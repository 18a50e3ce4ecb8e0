import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { StepContract } from '#lib/workflow/contract.ts';
import { finishRestore } from '#lib/workflow/finish-restore.ts';
import { planRestore } from '#lib/workflow/plan-restore.ts';
import { releaseRestore } from '#lib/workflow/release-restore.ts';
import { MAX_RANGE_CALLS, MAX_RESTORED_DISKS } from '#lib/workflow/restore-input.ts';
import { verifyRange } from '#lib/workflow/verify-range.ts';
import { writeRange } from '#lib/workflow/write-range.ts';
import { validateDefinition } from '#local/states/validation.ts';
import { Bench, fails } from '../local/states/bench.ts';
import { arbitraryOf } from '../workflow/arbitrary.ts';
import { RESTORE_STEPS, synthesize } from './installation.ts';

const { restore } = synthesize();

type Step = (typeof RESTORE_STEPS)[number];
type Payload = Readonly<Record<string, unknown>> & { readonly calls?: number; readonly disk?: string };
type Answer = (payload: Payload, call: number) => unknown;

const VM = '00000000-0000-0000-0000-000000000001';
const RUN = '0123456789abcdef';
const disk = (no: number) => ({ runId: RUN, disk: `00000000-0000-0000-0000-00000000000${no}`, seq: 7, calls: 0 });
const REQUEST = { point: 'latest', vm: 'web', sr: VM };

const called = (payload: Payload) => ({ ...payload, calls: (payload.calls ?? 0) + 1 });
const WELL: Record<Step, Answer> = {
  'plan-restore': () => ({ runId: RUN, vm: VM, point: 'a-point', disks: [disk(1), disk(2)], remarks: ['no LAN'] }),
  'write-range': (payload) => ({ ...called(payload), done: true, doneBytes: 9, dataBytes: 9 }),
  'verify-range': (payload) => ({ ...called(payload), done: true, nextGrain: 5, comparedBytes: 9 }),
  'finish-restore': () => ({ runId: RUN, point: 'a-point', disks: [], remarks: [] }),
  'release-restore': () => ({ runId: RUN, removed: 0 }),
};

async function run(answers: Partial<Record<Step, Answer>> = {}, request: object = REQUEST) {
  const bench = new Bench();
  const calls: Step[] = [];
  const payloads: (Payload & { readonly step: Step })[] = [];
  for (const step of RESTORE_STEPS) {
    bench.functions.set(step, (payload) => {
      calls.push(step);
      payloads.push({ step, ...payload });
      return (answers[step] ?? WELL[step])(payload, calls.filter((each) => each === step).length);
    });
  }
  const { status, error, cause, output, executionArn, history } = await bench.run(restore, request);
  return { status, error, cause, output, executionArn, history, calls, payloads, clock: bench.clock };
}

const failing =
  (name: string, message = 'what happened') =>
  () => {
    throw fails(name, message);
  };

test('both public validators accept the definition', async () => {
  await validateDefinition(restore);
});

test('no state mentions a session, a password or an opaque reference', () => {
  assert.doesNotMatch(JSON.stringify(restore), /session_id|sessionRef|export_?name|password|OpaqueRef/i);
});

test('a restore writes and compares each disk, finishes, releases, and ends with the report', async () => {
  const { status, output, calls } = await run();
  assert.equal(status, 'SUCCEEDED');
  assert.equal((output as { point: string }).point, 'a-point');
  assert.deepEqual([calls[0], ...calls.slice(-2)], ['plan-restore', 'finish-restore', 'release-restore']);
  assert.deepEqual(calls.slice(1, -2).toSorted(), ['verify-range', 'verify-range', 'write-range', 'write-range']);
});

test('the steps are told the execution and the request, and the last one what the plan resolved', async () => {
  const { payloads, executionArn } = await run();
  const [plan] = payloads;
  assert.deepEqual([plan?.['execution'], plan?.['request']], [executionArn, REQUEST]);
  const finish = payloads.find(({ step }) => step === 'finish-restore');
  assert.deepEqual([finish?.['vm'], finish?.['point'], finish?.['remarks']], [VM, 'a-point', ['no LAN']]);
  const disks = finish?.['disks'] as { disk: string; comparedBytes: number }[];
  assert.deepEqual(
    disks.map((each) => [each.disk, each.comparedBytes]),
    [disk(1), disk(2)].map((each) => [each.disk, 9]),
  );
});

test('a disk with more left to write or to compare is gone on with by its own answer', async () => {
  const { status, payloads } = await run({
    'write-range': (payload, call) => ({ ...called(payload), done: call > 4, doneBytes: call, dataBytes: 9 }),
    'verify-range': (payload, call) => ({ ...called(payload), done: call > 2, nextGrain: call, comparedBytes: call }),
  });
  assert.equal(status, 'SUCCEEDED');
  assert.ok(payloads.some(({ step, calls }) => step === 'write-range' && (calls ?? 0) > 0));
  assert.ok(payloads.some(({ step, nextGrain }) => step === 'verify-range' && nextGrain !== undefined));
});

test('a disk that never gets done ends the restore instead of being written for ever, and is removed', async () => {
  const { error, calls } = await run({
    'write-range': (payload) => ({ ...called(payload), done: false, doneBytes: 0, dataBytes: 9 }),
  });
  assert.equal(error, 'RestoreTooSlow');
  assert.ok(calls.filter((step) => step === 'write-range').length <= 2 * MAX_RANGE_CALLS);
  assert.equal(calls.at(-1), 'release-restore');
});

for (const step of ['plan-restore', 'write-range', 'verify-range', 'finish-restore'] as const) {
  test(`an error of ${step} ends the restore as failed, after what was made is removed`, async () => {
    const { status, error, cause, calls } = await run({ [step]: failing('DamagedContent') });
    assert.deepEqual([status, error, cause], ['FAILED', 'DamagedContent', 'what happened']);
    assert.equal(calls.at(-1), 'release-restore');
    assert.equal(calls.filter((each) => each === 'release-restore').length, 1);
  });
}

test('a final error is not tried again, one that may pass is', async () => {
  const final = await run({ 'finish-restore': failing('VmImportedWrongly') });
  assert.equal(final.calls.filter((step) => step === 'finish-restore').length, 1);
  const passing = await run({
    'write-range': (payload, call) => {
      if (call < 3) throw fails('HostUnreachable');
      return WELL['write-range'](payload, call);
    },
  });
  assert.equal(passing.status, 'SUCCEEDED');
});

test('what cannot be removed while a transfer still runs is come back for, for more than ten minutes', async () => {
  const { calls, clock, error } = await run({
    'finish-restore': failing('VmImportedWrongly'),
    'release-restore': failing('VdiInUse'),
  });
  assert.equal(error, 'VmImportedWrongly', 'the first error stays the reason');
  assert.ok(calls.filter((step) => step === 'release-restore').length >= 11);
  assert.ok(clock.sleepsMs.length >= 10);
});

test('a restore that is complete but whose release failed is not a success', async () => {
  const { status, error } = await run({ 'release-restore': failing('RoleInsufficient') });
  assert.deepEqual([status, error], ['FAILED', 'RoleInsufficient']);
});

const pairs: readonly [string, StepContract, StepContract][] = [
  ['a disk of plan-restore fits write-range', planRestore, writeRange],
  ['what write-range answers fits write-range and verify-range', writeRange, verifyRange],
  ['what verify-range answers fits verify-range', verifyRange, verifyRange],
];
for (const [title, from, to] of pairs) {
  test(title, () => {
    fc.assert(
      fc.property(arbitraryOf(from.output), (output) => {
        const { disks } = output as { disks?: readonly unknown[] };
        for (const item of disks ?? [output]) assert.ok(to.input.safeParse(item).success, JSON.stringify(item));
      }),
      { numRuns: 100 },
    );
  });
}

test('the plan and the answers of all disks stay far below what a state may hold', () => {
  const id = (no: number) => `00000000-0000-0000-0000-${String(no).padStart(12, '0')}`;
  const disks = Array.from({ length: MAX_RESTORED_DISKS }, (_, no) => ({
    ...disk(1),
    pool: 'x'.repeat(100),
    disk: id(no),
    done: true,
    nextGrain: 2 ** 32,
    comparedBytes: 2 ** 50,
    unverified: 'y'.repeat(400),
  }));
  const remarks = Array.from({ length: 50 }, () => 'z'.repeat(200));
  const request = { execution: 'e'.repeat(200), started: '2026-01-01T00:00:00Z', request: { ...REQUEST, as: 'vm' } };
  const payload = { ...request, vm: VM, point: 'p', remarks, disks };
  assert.ok(JSON.stringify(payload).length < 65_536, String(JSON.stringify(payload).length));
  assert.ok(finishRestore.input.safeParse({ ...payload, request: { ...REQUEST } }).success);
  assert.ok(releaseRestore.input.safeParse({ ...request, request: REQUEST }).success);
});
