/**
 * The restore of a VM, or of disks of it, to a pool. Whatever happens inside `restore`, release-restore comes next and
 * removes what is unfinished; the first error decides the end.
 *
 *   restore  plan-restore
 *                 |
 *            restore-disks     for each disk, four at a time:  write-range --more left--> write-range
 *                 |                                                 |
 *                 |                                            verify-range --more left--> verify-range
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
  Succeed,
} from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { field, jsonata } from '#lib/workflow/contract.ts';
import { planRestore } from '#lib/workflow/plan-restore.ts';
import { DISKS_AT_ONCE } from '#lib/workflow/restore-input.ts';
import { restoreDisk } from './restore-disk.ts';
import type { RestoreFunctions } from './restore-functions.ts';
import { restoreTasks } from './restore-tasks.ts';
import { CAUGHT, NO_ERROR, NOT_RELEASED } from './verdict.ts';

/** Assignments for the two ways to release-restore. On each of them `$first` and `$report` have a value afterwards. */
const RESTORED = { first: NO_ERROR, report: '{% $states.result[0] %}' };
const NOT_RESTORED = { first: jsonata(CAUGHT), report: {} };

export function restoreWorkflow(scope: Construct, functions: RestoreFunctions): IChainable {
  const { plan, write, verify, finish, release } = restoreTasks(scope, functions);
  const failed = Fail.jsonata(scope, 'restore-failed', { error: '{% $first.error %}', cause: '{% $first.cause %}' });
  const verdict = Choice.jsonata(scope, 'restore-verdict')
    .when(Condition.jsonata("{% $first.error != '' %}"), failed)
    .otherwise(Succeed.jsonata(scope, 'restored', { outputs: '{% $report %}' }));
  const disks = MapState.jsonata(scope, 'restore-disks', {
    items: ProvideItems.jsonata(jsonata(field(planRestore.output, 'disks'))),
    maxConcurrency: DISKS_AT_ONCE,
  }).itemProcessor(restoreDisk(scope, { write, verify }));
  const restore = Parallel.jsonata(scope, 'restore', { assign: RESTORED });
  restore.branch(plan.next(disks).next(finish));
  restore.addCatch(release, { assign: NOT_RESTORED });
  release.addCatch(verdict, { assign: NOT_RELEASED });
  return restore.next(release).next(verdict);
}
