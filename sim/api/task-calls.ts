/** Tasks: what an Async call leaves behind for its caller to poll. */

import type { Ref } from '#sim/database/database.ts';
import { Float, type Value, VOID } from '#sim/wire/values.ts';
import { valueFragment } from '#sim/wire/xml-rpc-writer.ts';
import type { World } from '#sim/world.ts';
import { ApiError, asApiError } from './api-error.ts';
import type { Call, Methods } from './method.ts';

/** More completed tasks than this are not kept, oldest first out. */
const MAX_TASKS = 200;

export const taskMethods: Methods = {
  'task.create': {
    params: ['label', 'description'],
    role: 'read-only',
    syncOnly: true,
    run: ({ world, args, session, host }) =>
      startTask(world, { label: args.text(0), description: args.text(1), session, host }),
  },
  'task.destroy': {
    params: ['self'],
    role: 'read-only',
    syncOnly: true,
    run: ({ world, args }) => {
      const task = args.ref(0, world.db.task);
      // Destroying a running task makes the host cancel it and forget it when it ends.
      world.taskAborts.get(task)?.abort(new ApiError('TASK_CANCELLED', [task]));
      world.db.task.delete(task);
      return VOID;
    },
  },
  'task.cancel': { params: ['task'], role: 'read-only', run: cancel },
  'task.set_status': {
    params: ['self', 'value'],
    role: 'read-only',
    syncOnly: true,
    run: ({ world, args }) => {
      world.db.task.update(args.ref(0, world.db.task), { status: args.text(1), finished: world.clock.now() });
      return VOID;
    },
  },
  'task.set_progress': {
    params: ['self', 'value'],
    role: 'read-only',
    syncOnly: true,
    run: ({ world, args }) => {
      world.db.task.update(args.ref(0, world.db.task), { progress: new Float(args.float(1)) });
      return VOID;
    },
  },
};

function cancel({ world, args }: Call): Value {
  const task = args.ref(0, world.db.task);
  if (world.db.task.get(task).status !== 'pending') {
    throw new ApiError('OPERATION_NOT_ALLOWED', [`Task is not running: ${task}`]);
  }
  world.db.task.update(task, { status: 'cancelling' });
  const running = world.taskAborts.get(task);
  if (running) running.abort(new ApiError('TASK_CANCELLED', [task]));
  // A task made by task.create has nothing behind it that could notice.
  else failTask(world, task, new ApiError('TASK_CANCELLED', [task]));
  return VOID;
}

export function startTask(world: World, of: { label: string; description: string; session: Ref; host: Ref }): Ref {
  return world.db.task.create({
    name_label: of.label,
    name_description: of.description,
    created: world.clock.now(),
    session: of.session,
    resident_on: of.host,
  });
}

/** Follows `work` in the background and writes its end into the task, if that still exists. */
export function followTask(world: World, task: Ref, work: (signal: AbortSignal) => Promise<Value>): void {
  const abort = new AbortController();
  world.taskAborts.set(task, abort);
  work(AbortSignal.any([abort.signal, world.stopping.signal]))
    .then((value) => succeedTask(world, task, resultText(world, value)))
    .catch((error: unknown) => failTask(world, task, error))
    .finally(() => world.taskAborts.delete(task));
}

function resultText(world: World, value: Value): string {
  return value === VOID && !world.faults.wrappedVoidResults ? VOID : valueFragment(value);
}

/** `result` is an XML-RPC fragment whatever encoding the client speaks. */
export function succeedTask(world: World, task: Ref, result: string): void {
  finish(world, task, { status: 'success', result, progress: new Float(1) });
}

export function failTask(world: World, task: Ref, error: unknown): void {
  const { code, params } = asApiError(error);
  const status = code === 'TASK_CANCELLED' ? 'cancelled' : 'failure';
  finish(world, task, { status, error_info: [code, ...params], progress: new Float(1) });
}

function finish(
  world: World,
  task: Ref,
  end: { status: string; progress: Float; result?: string; error_info?: readonly string[] },
): void {
  if (!world.db.task.has(task)) return;
  world.db.task.update(task, { ...end, finished: world.clock.now(), allowed_operations: [] });
}

/** Forgets tasks as the host does: completed ones after 65 minutes, pending ones after a day, and beyond 200. */
export function collectTasks(world: World): void {
  const { task } = world.db;
  const now = world.clock.now().getTime();
  const { completedTaskKeptMs, pendingTaskKeptMs } = world.timings;
  for (const ref of task.refs()) {
    const { status, created, finished } = task.get(ref);
    const running = status === 'pending' || status === 'cancelling';
    const ageMs = now - (running ? created : finished).getTime();
    if (ageMs > (running ? pendingTaskKeptMs : completedTaskKeptMs)) task.delete(ref);
  }
  const completed = task.where(({ status }) => status !== 'pending' && status !== 'cancelling');
  const excess = Math.max(0, task.refs().length - MAX_TASKS);
  for (const ref of completed.slice(0, excess)) task.delete(ref);
}
