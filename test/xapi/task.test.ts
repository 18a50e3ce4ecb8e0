import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod/mini';
import { AnswerLost, ObjectGone, TaskCancelled, TaskStillPending, UnexpectedReply } from '#lib/xapi/failures.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import {
  createTask,
  destroyTask,
  pollTask,
  type StartedTask,
  type TaskOutcome,
  taskResult,
  waitForTask,
} from '#lib/xapi/task.ts';
import { nothing, taskRef, vdiRef } from '#lib/xapi/wire-types.ts';
import { FakeClock, type FakeHost, failureOf, openSession, startHost } from './fake-host.ts';
import { array, compactDate, double, refusal, struct, success, untyped } from './fake-xml.ts';

const TASK = z.parse(taskRef, 'OpaqueRef:7a5c0000-0000-0000-0000-000000000001');
const snapshotTask: StartedTask<z.output<typeof vdiRef>> = { task: TASK, result: vdiRef };

interface TaskState {
  status: string;
  progress?: number;
  result?: string;
  error?: readonly string[];
}

/** A host whose task goes through the given states, one per look; the last one stays. */
async function hostWithTask(...states: TaskState[]): Promise<{ host: FakeHost; session: XapiSession }> {
  const host = await startHost();
  const session = await openSession(host);
  let look = 0;
  host.answers.set('task.get_record', () => {
    const state = states[Math.min(look++, states.length - 1)] ?? { status: 'pending' };
    return success(
      struct({
        name_label: untyped('Async.VDI.snapshot'),
        status: untyped(state.status),
        progress: double(state.progress ?? 0),
        result: untyped(state.result ?? ''),
        error_info: array((state.error ?? []).map(untyped)),
        created: compactDate('20261121T10:20:30Z'),
        finished: compactDate('19700101T00:00:00Z'),
        resident_on: untyped('OpaqueRef:NULL'),
      }),
    );
  });
  host.answers.set('task.destroy', () => success(untyped('')));
  return { host, session };
}

const destroyed = (host: FakeHost): number => host.calls.filter((call) => call.method === 'task.destroy').length;

test('a task that runs or is being cancelled is pending with its progress', async () => {
  for (const status of ['pending', 'cancelling']) {
    const { session } = await hostWithTask({ status, progress: 0.25 });
    assert.deepEqual(await pollTask(session, snapshotTask), { kind: 'pending', progress: 0.25 });
  }
});

test('a task that succeeded gives its parsed result and is still there to be asked again', async () => {
  const { host, session } = await hostWithTask({ status: 'success', result: '<value>OpaqueRef:1</value>' });
  for (let look = 1; look <= 2; look++) {
    assert.deepEqual(await pollTask(session, snapshotTask), { kind: 'success', result: 'OpaqueRef:1' });
  }
  assert.equal(destroyed(host), 0);
});

test('a task without a result succeeds with either of the two empty forms', async () => {
  for (const result of ['', '<value></value>']) {
    const { session } = await hostWithTask({ status: 'success', result });
    assert.deepEqual(await pollTask(session, { task: TASK, result: nothing }), { kind: 'success', result: undefined });
  }
});

test('a result of another kind than the operation gives is unexpected', async () => {
  const { session } = await hostWithTask({ status: 'success', result: '<value><boolean>1</boolean></value>' });
  assert.ok((await failureOf(pollTask(session, snapshotTask))) instanceof UnexpectedReply);
});

test('a task that failed gives the failure of the error table', async () => {
  const { session } = await hostWithTask({ status: 'failure', error: ['SR_BACKEND_FAILURE_460', '', 'unrelated', ''] });
  const outcome = await pollTask(session, snapshotTask);
  assert.ok(outcome.kind === 'failure');
  assert.equal(outcome.failure.name, 'CbtChainBroken');
  assert.match(outcome.failure.message, /The task Async\.VDI\.snapshot on 127\.0\.0\.1 was refused/);
});

test('a cancelled task is cancelled', async () => {
  const { session } = await hostWithTask({ status: 'cancelled', error: ['TASK_CANCELLED', TASK] });
  assert.deepEqual(await pollTask(session, snapshotTask), { kind: 'cancelled' });
});

test('a state that no host has is unexpected', async () => {
  const { session } = await hostWithTask({ status: 'napping' });
  assert.ok((await failureOf(pollTask(session, snapshotTask))) instanceof UnexpectedReply);
});

test('a task that the host has forgotten is ObjectGone', async () => {
  const { host, session } = await hostWithTask();
  host.answers.set('task.get_record', () => refusal('HANDLE_INVALID', 'task', TASK));
  assert.ok((await failureOf(pollTask(session, snapshotTask))) instanceof ObjectGone);
});

test('waiting looks every second and removes the task once it has ended', async () => {
  const pending = { status: 'pending' };
  const { host, session } = await hostWithTask(pending, pending, {
    status: 'success',
    result: '<value>OpaqueRef:1</value>',
  });
  const clock = new FakeClock();
  const outcome = await waitForTask(session, snapshotTask, { clock, deadlineMs: 60_000 });
  assert.deepEqual(outcome, { kind: 'success', result: 'OpaqueRef:1' });
  assert.deepEqual(clock.sleepsMs, [1_000, 1_000]);
  assert.equal(destroyed(host), 1);
});

test('waiting ends at its deadline with a pending task that is left alone', async () => {
  const { host, session } = await hostWithTask({ status: 'pending', progress: 0.5 });
  const clock = new FakeClock();
  const outcome = await waitForTask(session, snapshotTask, { clock, deadlineMs: 2_500 });
  assert.deepEqual(outcome, { kind: 'pending', progress: 0.5 });
  assert.deepEqual(clock.sleepsMs, [1_000, 1_000, 500]);
  assert.equal(destroyed(host), 0);
});

test('waiting ends when the signal fires', async () => {
  const { session } = await hostWithTask({ status: 'pending' });
  const signal = AbortSignal.abort(new AnswerLost('enough'));
  const waited = waitForTask(session, snapshotTask, { clock: new FakeClock(), deadlineMs: 9_000, signal });
  assert.equal((await failureOf(waited)).message, 'enough');
});

test('the result of an outcome is the value, or what happened instead is thrown', async () => {
  assert.equal(taskResult({ kind: 'success', result: 7 }, 'x'), 7);
  const pending: TaskOutcome<number> = { kind: 'pending', progress: 0.424 };
  assert.throws(() => taskResult(pending, 'Snapshotting a'), TaskStillPending);
  assert.throws(() => taskResult(pending, 'Snapshotting a'), /Snapshotting a still runs on the host \(42 %\)/);
  assert.throws(() => taskResult({ kind: 'cancelled' }, 'Snapshotting a'), TaskCancelled);
});

test('a task is created and removed; one that is gone is removed', async () => {
  const { host, session } = await hostWithTask();
  host.answers.set('task.create', () => success(untyped(TASK)));
  assert.equal(await createTask(session, 'import'), TASK);
  host.answers.set('task.destroy', () => refusal('HANDLE_INVALID', 'task', TASK));
  await destroyTask(session, TASK);
});
