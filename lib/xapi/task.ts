/**
 * Tasks of the host: what every `Async` call starts.
 *
 * ```
 *   pending ---> success (result) | failure (error_info)
 *      |
 *      +-------> cancelling ---> cancelled
 * ```
 *
 * The host forgets an ended task after 65 minutes, a pending one after 24 hours, and keeps 200 at most. A task that is
 * gone answers `ObjectGone`: whether its operation happened is then to be seen on the object itself.
 */

import * as z from 'zod/mini';
import type { Clock } from '#lib/clock.ts';
import { parseReply } from './api-call.ts';
import { refusalFrom } from './api-error.ts';
import { type HostRefusal, ObjectGone, TaskCancelled, TaskStillPending } from './failures.ts';
import type { XapiCaller } from './session.ts';
import { nothing, type Reply, type TaskRef, taskRef } from './wire-types.ts';
import { decodeTaskResult } from './xmlrpc-codec.ts';

export interface StartedTask<T> {
  readonly task: TaskRef;
  /** What the operation answers with; each `start…` names it. */
  readonly result: Reply<T>;
}

export type TaskOutcome<T> =
  | { readonly kind: 'pending'; readonly progress: number }
  | { readonly kind: 'success'; readonly result: T }
  | { readonly kind: 'failure'; readonly failure: HostRefusal }
  | { readonly kind: 'cancelled' };

const taskRecord = z.object({
  name_label: z.string(),
  status: z.enum(['pending', 'success', 'failure', 'cancelling', 'cancelled']),
  progress: z.number(),
  result: z.string(),
  error_info: z.array(z.string()),
});

/** Looks once. The task stays, so that looking again after a crash gives the same answer. */
export async function pollTask<T>(session: XapiCaller, started: StartedTask<T>): Promise<TaskOutcome<T>> {
  const record = await session.read('task.get_record', [started.task], taskRecord);
  switch (record.status) {
    case 'pending':
    case 'cancelling':
      return { kind: 'pending', progress: record.progress };
    case 'cancelled':
      return { kind: 'cancelled' };
    case 'failure': {
      const refused = { call: `The task ${record.name_label}`, host: session.hostName, secrets: session.secrets };
      return { kind: 'failure', failure: refusalFrom(record.error_info, refused) };
    }
    case 'success': {
      const value = await decodeTaskResult(record.result, session.secrets);
      return {
        kind: 'success',
        result: parseReply(started.result, value, `The result of the task ${record.name_label}`),
      };
    }
  }
}

export interface TaskWait {
  readonly clock: Clock;
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
}

/** Snapshots take 1 to 5 s; looking more often only adds calls. */
const POLL_PAUSE_MS = 1_000;

/** Looks until the task has ended, or answers `pending` after the deadline. An ended task is removed from the host. */
export async function waitForTask<T>(
  session: XapiCaller,
  started: StartedTask<T>,
  wait: TaskWait,
): Promise<TaskOutcome<T>> {
  const endsAtMs = wait.clock.now().getTime() + wait.deadlineMs;
  const maxPolls = Math.ceil(wait.deadlineMs / POLL_PAUSE_MS) + 1;
  for (let poll = 1; ; poll++) {
    const outcome = await pollTask(session, started);
    if (outcome.kind !== 'pending') {
      await destroyTask(session, started.task);
      return outcome;
    }
    const leftMs = endsAtMs - wait.clock.now().getTime();
    if (leftMs <= 0 || poll >= maxPolls) return outcome;
    await wait.clock.sleep(Math.min(POLL_PAUSE_MS, leftMs), wait.signal);
  }
}

/** The result of a task that succeeded; throws what happened instead. `what` names the operation and its object. */
export function taskResult<T>(outcome: TaskOutcome<T>, what: string): T {
  switch (outcome.kind) {
    case 'success':
      return outcome.result;
    case 'failure':
      throw outcome.failure;
    case 'cancelled':
      throw new TaskCancelled(`${what} was cancelled on the host. Find out who cancelled it.`, {
        code: 'TASK_CANCELLED',
        reaction: 'give-up',
      });
    case 'pending': {
      const percent = Math.round(outcome.progress * 100);
      throw new TaskStillPending(`${what} still runs on the host (${percent} %). Look again later.`);
    }
  }
}

/** A task of our own, for the transfers over HTTP that report only through one. */
export function createTask(session: XapiCaller, label: string): Promise<TaskRef> {
  return session.change('task.create', [label, ''], taskRef);
}

/** When the host made the task, by the host's own clock. */
export function readTaskCreation(session: XapiCaller, task: TaskRef): Promise<Date> {
  return session.read('task.get_created', [task], z.date());
}

/** Removes the record of a task; one that is gone is removed. */
export async function destroyTask(session: XapiCaller, task: TaskRef): Promise<void> {
  await unlessGone(session.change('task.destroy', [task], nothing));
}

/** Destroying what is gone has succeeded: a repeated destroy and one by somebody else look the same. */
export async function unlessGone(destroyed: Promise<void>): Promise<void> {
  try {
    await destroyed;
  } catch (failure) {
    if (!(failure instanceof ObjectGone)) throw failure;
  }
}
