/** The task states of the upkeep; each that is called again gets its own answer, the others need nothing. */

import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { LambdaInvoke } from 'aws-cdk-lib/aws-stepfunctions-tasks';
import type { Construct } from 'constructs';
import { WHOLE_INPUT } from '#lib/workflow/contract.ts';
import { planCollection } from '#lib/workflow/plan-collection.ts';
import { prunePoints } from '#lib/workflow/prune-points.ts';
import { removeVersions } from '#lib/workflow/remove-versions.ts';
import { sweepRuns } from '#lib/workflow/sweep-runs.ts';
import { verifyPoints } from '#lib/workflow/verify-points.ts';
import { stepTask } from './step-task.ts';

export interface UpkeepFunctions {
  readonly sweep: IFunction;
  readonly prune: IFunction;
  readonly plan: IFunction;
  readonly remove: IFunction;
  readonly verify: IFunction;
}

type UpkeepTasks = Readonly<Record<keyof UpkeepFunctions, LambdaInvoke>>;

export function upkeepTasks(scope: Construct, functions: UpkeepFunctions): UpkeepTasks {
  const payload = WHOLE_INPUT;
  return {
    sweep: stepTask(scope, { contract: sweepRuns, function: functions.sweep, payload }),
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
  };
}
