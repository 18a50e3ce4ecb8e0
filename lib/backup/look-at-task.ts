/** One look at a task that an earlier call may have started. */

import * as z from 'zod/mini';
import { ObjectGone } from '#lib/xapi/failures.ts';
import type { XapiCaller } from '#lib/xapi/session.ts';
import { destroyTask, pollTask, type StartedTask, type TaskOutcome, taskResult } from '#lib/xapi/task.ts';
import type { TaskRef } from '#lib/xapi/wire-types.ts';

export type TaskLook<T> =
  | { readonly kind: 'pending' }
  /** The host has forgotten the task, or an earlier call saw its end and died: how it ended is not known. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'ended'; readonly result: T };

/**
 * Throws the failure of the operation itself. The record of an ended task is removed, so that a call that is repeated
 * after a failure finds it gone and begins anew instead of seeing the same failure for an hour.
 */
export async function lookAtTask<T>(session: XapiCaller, started: StartedTask<T>, what: string): Promise<TaskLook<T>> {
  const outcome = await outcomeOf(session, started);
  if (outcome === undefined) return { kind: 'gone' };
  if (outcome.kind === 'pending') return { kind: 'pending' };
  await destroyTask(session, started.task);
  return { kind: 'ended', result: taskResult(outcome, what) };
}

/** Whether the host still works on the task; how an ended one ended is left for others to see. */
export async function isTaskPending(session: XapiCaller, task: TaskRef): Promise<boolean> {
  return (await outcomeOf(session, { task, result: z.unknown() }))?.kind === 'pending';
}

async function outcomeOf<T>(session: XapiCaller, started: StartedTask<T>): Promise<TaskOutcome<T> | undefined> {
  try {
    return await pollTask(session, started);
  } catch (failure) {
    if (failure instanceof ObjectGone) return undefined;
    throw failure;
  }
}
