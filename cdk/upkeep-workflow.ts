/**
 * What the vault and the pools need every day beside backups. Each step runs whatever became of the ones before it: where
 * one ends with an error, the first error is kept and the next step begins.
 *
 *   sweep-runs
 *       |
 *   take-inventory                   which VMs the pools have
 *       |
 *   prune-points <--VMs left--+      points that no rule keeps are let go
 *       |  `------------------+
 *   plan-collection <--more---+      packs, indexes and manifests that no point needs are named ...
 *       |                     |
 *   remove-versions ----------+      ... and deleted, by a function that cannot read
 *       |
 *   verify-points <--disks left--+
 *       |  `---------------------+
 *   write-report
 *       |
 *   upkeep-verdict ---any error, a disk passed over, or a finding---> Fail
 *       |
 *   upkeep-done
 */

import { Choice, Condition, Fail, type IChainable, Pass, Succeed } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { CollectionStopped } from '#lib/collect/failures.ts';
import { field, jsonata } from '#lib/workflow/contract.ts';
import { VaultDamaged } from '#lib/workflow/failures.ts';
import { prunePoints } from '#lib/workflow/prune-points.ts';
import { removeVersions } from '#lib/workflow/remove-versions.ts';
import { verifyPoints } from '#lib/workflow/verify-points.ts';
import type { Settings } from './settings.ts';
import { stepAgain } from './step-loop.ts';
import { type UpkeepFunctions, upkeepTasks } from './upkeep-tasks.ts';
import { CAUGHT, NO_ERROR } from './verdict.ts';

/** Set before anything can fail: a variable without a value would itself be an error where it is read. */
const NOTHING_WRONG = { first: NO_ERROR, stopped: 0, findings: 0 };

const DAMAGED =
  'Objects of the vault are not as they were written; blockferry verify names them and the points that need them';
const STOPPED = 'What the points of some disks need could not be read, so nothing of these disks was collected';

export function upkeepWorkflow(
  scope: Construct,
  using: { functions: UpkeepFunctions; policies: Settings['policies'] },
): IChainable {
  const { sweep, inventory, prune, plan, remove, verify, report } = upkeepTasks(scope, using);
  const verdict = upkeepVerdict(scope);
  const noted = { assign: { first: jsonata(`$first.error = '' ? ${CAUGHT} : $first`) } };
  for (const [task, next] of [
    [sweep, inventory],
    [inventory, prune],
    [prune, plan],
    [plan, verify],
    [remove, verify],
    [verify, report],
    [report, verdict],
  ] as const) {
    task.addCatch(next, noted);
  }
  const verified = stepAgain(scope, verify, { done: field(verifyPoints.output, 'done'), next: report.next(verdict) });
  const collected = Choice.jsonata(scope, 'anything-left')
    .when(Condition.jsonata(jsonata(field(removeVersions.output, 'more'))), plan)
    .otherwise(verified);
  const collecting = plan.next(remove).next(collected);
  const pruned = stepAgain(scope, prune, { done: field(prunePoints.output, 'done'), next: collecting });
  return Pass.jsonata(scope, 'upkeep-begins', { assign: NOTHING_WRONG }).next(sweep).next(inventory).next(pruned);
}

function upkeepVerdict(scope: Construct): Choice {
  const fail = (id: string, failure: { error: string; cause: string }) => Fail.jsonata(scope, id, failure);
  return Choice.jsonata(scope, 'upkeep-verdict')
    .when(
      Condition.jsonata("{% $first.error != '' %}"),
      fail('upkeep-failed', { error: '{% $first.error %}', cause: '{% $first.cause %}' }),
    )
    .when(
      Condition.jsonata('{% $findings > 0 %}'),
      fail('vault-damaged', { error: VaultDamaged.failureName, cause: DAMAGED }),
    )
    .when(
      Condition.jsonata('{% $stopped > 0 %}'),
      fail('collection-stopped', { error: CollectionStopped.failureName, cause: STOPPED }),
    )
    .otherwise(Succeed.jsonata(scope, 'upkeep-done'));
}
