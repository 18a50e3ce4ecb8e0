/** The task states of the upkeep; each that is called again gets its own answer, the report gets the policies. */

import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { LambdaInvoke } from 'aws-cdk-lib/aws-stepfunctions-tasks';
import type { Construct } from 'constructs';
import { WHOLE_INPUT } from '#lib/workflow/contract.ts';
import { planCollection } from '#lib/workflow/plan-collection.ts';
import { summaryOf } from '#lib/workflow/policy-summary.ts';
import { prunePoints } from '#lib/workflow/prune-points.ts';
import { removeVersions } from '#lib/workflow/remove-versions.ts';
import { sweepRuns } from '#lib/workflow/sweep-runs.ts';
import { takeInventory } from '#lib/workflow/take-inventory.ts';
import { verifyPoints } from '#lib/workflow/verify-points.ts';
import { writeReport } from '#lib/workflow/write-report.ts';
import type { Settings } from './settings.ts';
import { stepTask } from './step-task.ts';

export interface UpkeepFunctions {
  readonly sweep: IFunction;
  readonly inventory: IFunction;
  readonly prune: IFunction;
  readonly plan: IFunction;
  readonly remove: IFunction;
  readonly verify: IFunction;
  readonly report: IFunction;
}

type UpkeepTasks = Readonly<Record<keyof UpkeepFunctions, LambdaInvoke>>;

export function upkeepTasks(
  scope: Construct,
  { functions, policies }: { functions: UpkeepFunctions; policies: Settings['policies'] },
): UpkeepTasks {
  const payload = WHOLE_INPUT;
  return {
    sweep: stepTask(scope, { contract: sweepRuns, function: functions.sweep, payload }),
    inventory: stepTask(scope, { contract: takeInventory, function: functions.inventory, payload }),
    prune: stepTask(scope, { contract: prunePoints, function: functions.prune, payload }),
    plan: stepTask(scope, { contract: planCollection, function: functions.plan, payload }),
    remove: stepTask(scope, {
      contract: removeVersions,
      function: functions.remove,
      payload,
      assign: { stopped: '{% $states.result.Payload.stopped %}' },
    }),
    verify: stepTask(scope, {
      contract: verifyPoints,
      function: functions.verify,
      payload,
      assign: { findings: '{% $states.result.Payload.findings %}' },
    }),
    report: stepTask(scope, {
      contract: writeReport,
      function: functions.report,
      payload: { policies: JSON.stringify(policies.map(summaryOf)) },
    }),
  };
}
