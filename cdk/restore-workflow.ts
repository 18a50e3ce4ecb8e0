/**
 * The restore of a VM, or of disks of it, to a pool. Whatever happens inside `restore`, release-restore comes next and
 * removes what is unfinished; the first error decides the end.
 *
 *   restore  plan-restore
 *                 |
 *            restore-disks     for each disk, four at a time: an execution of cdk/restore-disk.ts, and the next one
 *                 |                                           as long as more is left
 *            finish-restore
 *                 |  `--any error on the way, or a disk that never gets done--+
 *            release-restore <------------------------------------------------+
 *                 |  `--any error--+
 *          restore-verdict <-------+ ---any error---> restore-failed
 *                 |
 *              restored
 */

import {
  Choice,
  Condition,
  Fail,
  type IChainable,
  Map as MapState,
  Parallel,
  ProvideItems,
  type StateMachine,
  Succeed,
} from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { RestoreTooSlow } from '#lib/restore/failures.ts';
import { field, jsonata } from '#lib/workflow/contract.ts';
import { planRestore } from '#lib/workflow/plan-restore.ts';
import { DISKS_AT_ONCE, MAX_RANGE_CALLS, restoredDisk } from '#lib/workflow/restore-input.ts';
import { verifyRange } from '#lib/workflow/verify-range.ts';
import { CHILD_CAUSE, CHILD_ERROR, childRun } from './child-run.ts';
import { restoreTasks, type WholeFunctions } from './restore-tasks.ts';
import { CAUGHT, NO_ERROR, NOT_RELEASED } from './verdict.ts';

/** Assignments for the two ways to release-restore. On each of them `$first` and `$report` have a value afterwards. */
const RESTORED = { first: NO_ERROR, report: '{% $states.result[0] %}' };
const NOT_RESTORED = { first: jsonata(CAUGHT), report: {} };

const TOO_SLOW = `The disk was not done after ${MAX_RANGE_CALLS} calls; look at the link between the functions and the host`;

export function restoreWorkflow(
  scope: Construct,
  using: { readonly functions: WholeFunctions; readonly disk: StateMachine },
): IChainable {
  const { plan, finish, release } = restoreTasks(scope, using.functions);
  const failed = Fail.jsonata(scope, 'restore-failed', { error: '{% $first.error %}', cause: '{% $first.cause %}' });
  const verdict = Choice.jsonata(scope, 'restore-verdict')
    .when(Condition.jsonata("{% $first.error != '' %}"), failed)
    .otherwise(Succeed.jsonata(scope, 'restored', { outputs: '{% $report %}' }));
  const disks = MapState.jsonata(scope, 'restore-disks', {
    items: ProvideItems.jsonata(jsonata(field(planRestore.output, 'disks'))),
    maxConcurrency: DISKS_AT_ONCE,
  }).itemProcessor(wholeDisk(scope, using.disk));
  const restore = Parallel.jsonata(scope, 'restore', { assign: RESTORED });
  restore.branch(plan.next(disks).next(finish));
  restore.addCatch(release, { assign: NOT_RESTORED });
  release.addCatch(verdict, { assign: NOT_RELEASED });
  return restore.next(release).next(verdict);
}

/** One execution after the other, each beginning where the one before it says that the disk stands. */
function wholeDisk(scope: Construct, machine: StateMachine): IChainable {
  const run = childRun(scope, 'restore-disk', { machine, outputs: '{% $states.result.Output %}' });
  const failed = Fail.jsonata(scope, 'disk-failed', {
    error: '{% $states.input.error %}',
    cause: '{% $states.input.cause %}',
  });
  run.addCatch(failed, { outputs: { error: jsonata(CHILD_ERROR), cause: jsonata(CHILD_CAUSE) } });
  return run.next(
    Choice.jsonata(scope, 'disk-restored')
      .when(Condition.jsonata(jsonata(field(verifyRange.output, 'done'))), Succeed.jsonata(scope, 'disk-whole'))
      .when(Condition.jsonata(jsonata(`${field(restoredDisk, 'calls')} < ${MAX_RANGE_CALLS}`)), run)
      .otherwise(Fail.jsonata(scope, 'disk-too-slow', { error: RestoreTooSlow.failureName, cause: TOO_SLOW })),
  );
}
