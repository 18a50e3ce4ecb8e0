/** The task states of a restore, and what each of them is given. */

import type { LambdaInvoke } from 'aws-cdk-lib/aws-stepfunctions-tasks';
import type { Construct } from 'constructs';
import { RUN_REQUEST_PAYLOAD } from '#lib/workflow/backup-input.ts';
import { WHOLE_INPUT } from '#lib/workflow/contract.ts';
import { finishRestore } from '#lib/workflow/finish-restore.ts';
import { planRestore } from '#lib/workflow/plan-restore.ts';
import { releaseRestore } from '#lib/workflow/release-restore.ts';
import { verifyRange } from '#lib/workflow/verify-range.ts';
import { writeRange } from '#lib/workflow/write-range.ts';
import type { RestoreFunctions } from './restore-functions.ts';
import { stepTask } from './step-task.ts';

type RangeFunctions = Pick<RestoreFunctions, 'writeRange' | 'verifyRange'>;
/** Those of the restore as a whole. */
export type WholeFunctions = Omit<RestoreFunctions, keyof RangeFunctions>;

/** Of one disk: each answer is the next call's input. */
export function rangeTasks(
  scope: Construct,
  functions: RangeFunctions,
): { readonly write: LambdaInvoke; readonly verify: LambdaInvoke } {
  return {
    write: stepTask(scope, { contract: writeRange, function: functions.writeRange, payload: WHOLE_INPUT }),
    verify: stepTask(scope, { contract: verifyRange, function: functions.verifyRange, payload: WHOLE_INPUT }),
  };
}

export interface RestoreTasks {
  readonly plan: LambdaInvoke;
  readonly finish: LambdaInvoke;
  readonly release: LambdaInvoke;
}

/** The plan is a variable, because what stands between it and the last step answers with the disks alone. */
export function restoreTasks(scope: Construct, functions: WholeFunctions): RestoreTasks {
  return {
    plan: stepTask(scope, {
      contract: planRestore,
      function: functions.planRestore,
      payload: RUN_REQUEST_PAYLOAD,
      assign: { plan: '{% $states.result.Payload %}' },
    }),
    finish: stepTask(scope, {
      contract: finishRestore,
      function: functions.finishRestore,
      payload: {
        ...RUN_REQUEST_PAYLOAD,
        vm: '{% $plan.vm %}',
        point: '{% $plan.point %}',
        remarks: '{% $plan.remarks %}',
        disks: WHOLE_INPUT,
      },
    }),
    release: stepTask(scope, {
      contract: releaseRestore,
      function: functions.releaseRestore,
      payload: RUN_REQUEST_PAYLOAD,
    }),
  };
}
