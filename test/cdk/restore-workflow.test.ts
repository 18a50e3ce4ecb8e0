import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { StepContract } from '#lib/workflow/contract.ts';
import { finishRestore } from '#lib/workflow/finish-restore.ts';
import { planRestore } from '#lib/workflow/plan-restore.ts';
import { releaseRestore } from '#lib/workflow/release-restore.ts';
import {
  DISKS_AT_ONCE,
  MAX_RANGE_CALLS,
  MAX_RESTORED_DISKS,
  restoreInput,
  STRETCH_CALLS,
} from '#lib/workflow/restore-input.ts';
import { verifyRange } from '#lib/workflow/verify-range.ts';
import { writeRange } from '#lib/workflow/write-range.ts';
import { Bench, fails, MACHINE_ARN, startAt } from '../local/states/bench.ts';
import { arbitraryOf } from '../workflow/arbitrary.ts';
import { RESTORE_STEPS, synthesize } from './installation.ts';

const { restore, restoreDisk } = synthesize();

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
  const workflows = bench.workflows({ restore, 'restore-disk': restoreDisk });
  const stateMachineArn = MACHINE_ARN.replace(/test$/, 'restore');
  const execution = await workflows.start({ stateMachineArn, input: request });
  await bench.clock.runUntil(execution.finished);
  const { status, error, cause, output, executionArn } = execution;
  const { executions } = workflows;
  return { status, error, cause, output, executionArn, executions, calls, payloads, clock: bench.clock };
}

const failing =
  (name: string, message = 'what happened') =>
  () => {
    throw fails(name, message);
  };

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

test('what one execution for a disk has no room for the next one goes on with, writing and comparing alike', async () => {
  const [written, compared] = [STRETCH_CALLS + 5, 2 * STRETCH_CALLS];
  const { status, output, payloads, executions } = await run({
    'plan-restore': () => ({ runId: RUN, vm: VM, point: 'a-point', disks: [disk(1)], remarks: [] }),
    'write-range': (payload, call) => ({ ...called(payload), done: call === written, doneBytes: call, dataBytes: 9 }),
    'verify-range': (payload, call) => ({
      ...called(payload),
      done: call === compared,
      nextGrain: call,
      comparedBytes: call,
    }),
    'finish-restore': ({ disks }) => ({ runId: RUN, point: 'a-point', disks, remarks: [] }),
  });
  assert.equal(status, 'SUCCEEDED');
  assert.equal(payloads.filter(({ step }) => step === 'write-range').length, written, 'nothing is written twice');
  const comparing = payloads.filter(({ step }) => step === 'verify-range');
  assert.deepEqual(
    comparing.map(({ nextGrain }) => nextGrain ?? 0),
    Array.from({ length: compared }, (_, no) => no),
  );
  assert.ok(executions.length > 3);
  const [{ calls: made, comparedBytes } = assert.fail()] = (output as { disks: Payload[] }).disks;
  assert.deepEqual([made, comparedBytes], [written + compared, compared]);
});

test('a disk that never gets done ends the restore instead of being written for ever, and is removed', async () => {
  const last = MAX_RANGE_CALLS - 1;
  const { error, cause, calls } = await run({
    'plan-restore': () => ({ runId: RUN, vm: VM, point: 'p', disks: [{ ...disk(1), calls: last }], remarks: [] }),
    'write-range': (payload) => ({ ...called(payload), done: false, doneBytes: 0, dataBytes: 9 }),
  });
  assert.equal(error, 'RestoreTooSlow');
  assert.match(cause ?? '', /look at the link/);
  assert.ok(calls.filter((step) => step === 'write-range').length <= STRETCH_CALLS);
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

test('whatever a step answers within its contract, or fails with, the next step accepts, in either machine', async () => {
  const contracts: readonly StepContract[] = [planRestore, writeRange, verifyRange, finishRestore, releaseRestore];
  const answers = fc.tuple(...contracts.map(({ output }) => fc.infiniteStream(arbitraryOf(output))));
  const failures = fc.infiniteStream(fc.integer({ min: 0, max: 19 }).map((draw) => draw === 0));
  await fc.assert(
    fc.asyncProperty(arbitraryOf(restoreInput), answers, failures, async (request, streams, draws) => {
      const refused: string[] = [];
      const scripted = contracts.map(({ name, input }, index): [string, Answer] => [
        name,
        (payload) => {
          if (!input.safeParse(payload).success) refused.push(`${name} ${JSON.stringify(payload)}`);
          if (draws.next().value) throw fails('VaultAccessDenied');
          return streams[index]?.next().value;
        },
      ]);
      const { status, error } = await run(Object.fromEntries(scripted), request as object);
      assert.deepEqual(refused, []);
      assert.ok(status === 'SUCCEEDED' || !/^States\./.test(error ?? 'States.'), `${status} ${error}`);
    }),
    { numRuns: 10 },
  );
});

const MAX_EVENTS = 5_000;

test('an execution for a disk stays below 5,000 events however often each of its calls is tried again', async () => {
  /** As often as the definition allows: patiently, promptly, for the service, for a killed sandbox. */
  const tries = ['VdiInUse', 'HostUnreachable', 'Lambda.TooManyRequestsException', 'Sandbox.Timedout'].flatMap(
    (name, no) => Array.from({ length: [10, 6, 6, 2][no] ?? 0 }, () => name),
  );
  let attempt = 0;
  const { executions, calls } = await run({
    'plan-restore': () => ({
      runId: RUN,
      vm: VM,
      point: 'p',
      disks: [{ ...disk(1), calls: MAX_RANGE_CALLS - STRETCH_CALLS }],
      remarks: [],
    }),
    'write-range': (payload) => {
      const error = tries[attempt++ % (tries.length + 1)];
      if (error !== undefined) throw fails(error);
      return { ...called(payload), done: false, doneBytes: 0, dataBytes: 9 };
    },
  });
  const [, child] = executions;
  assert.equal(calls.filter((step) => step === 'write-range').length, STRETCH_CALLS * (tries.length + 1));
  assert.ok((child?.history.length ?? MAX_EVENTS) < MAX_EVENTS, `${child?.history.length} events`);
});

test('a restore of 64 disks that takes all of its time stays below 5,000 events itself', async () => {
  // Four disks at once, in 720 hours, by stretches of 60 calls of 595 s; each disk has one more, which ends before.
  const unfinished = Math.floor((DISKS_AT_ONCE * 720 * 3_600) / (STRETCH_CALLS * 595));
  assert.equal(unfinished, 290);
  const disks = Array.from({ length: MAX_RESTORED_DISKS }, (_, no) => ({
    ...disk(1),
    disk: `${VM.slice(0, -2)}${no + 10}`,
  }));
  const stretches = new Map(
    disks.map((each, no) => [
      each.disk,
      Math.floor(unfinished / disks.length) + (no < unfinished % disks.length ? 1 : 0),
    ]),
  );
  const bench = new Bench();
  for (const step of RESTORE_STEPS) bench.functions.set(step, (payload) => WELL[step](payload, 1));
  bench.functions.set('plan-restore', () => ({ runId: RUN, vm: VM, point: 'p', disks, remarks: [] }));
  const stretch = startAt('disk', {
    disk: {
      Type: 'Task',
      Resource: 'arn:aws:states:::lambda:invoke',
      Arguments: { FunctionName: 'stretch', Payload: '{% $states.input %}' },
      Output: '{% $states.result.Payload %}',
      End: true,
    },
  });
  bench.functions.set('stretch', (payload: Payload) => {
    const left = stretches.get(payload.disk ?? '') ?? assert.fail(payload.disk);
    stretches.set(payload.disk ?? '', left - 1);
    return {
      ...payload,
      calls: (payload.calls ?? 0) + STRETCH_CALLS,
      done: left === 0,
      nextGrain: 1,
      comparedBytes: 9,
    };
  });
  const workflows = bench.workflows({ restore, 'restore-disk': stretch });
  const execution = await workflows.start({ stateMachineArn: MACHINE_ARN.replace(/test$/, 'restore'), input: REQUEST });
  await bench.clock.runUntil(execution.finished);
  assert.equal(execution.status, 'SUCCEEDED', `${execution.error}: ${execution.cause}`);
  assert.equal(workflows.executions.length, 1 + unfinished + disks.length);
  assert.ok(execution.history.length < MAX_EVENTS, `${execution.history.length} events`);
});

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
