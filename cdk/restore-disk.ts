/**
 * One disk of a restore, for so many calls as the history of one execution has room for. What it answers is where the disk
 * stands; while that is not done, the restore starts the next execution with it.
 *
 *   disk-begun --comparing began before---------------------+
 *        | no                                               v
 *   write-range --> disk-written --yes--> verify-range --> disk-verified --yes--+
 *     ^   |            | no                 ^   |               | no            |
 *     +--calls left----+                    +--calls left-------+               v
 *         |            +--none left-----------------------------+--none left--> disk-stands
 *         +--any error--> range-failed <--------+
 */

import { Choice, Condition, Fail, type IChainable, Succeed } from 'aws-cdk-lib/aws-stepfunctions';
import type { LambdaInvoke } from 'aws-cdk-lib/aws-stepfunctions-tasks';
import type { Construct } from 'constructs';
import { field, jsonata } from '#lib/workflow/contract.ts';
import { restoredDisk, STRETCH_CALLS } from '#lib/workflow/restore-input.ts';
import { verifyRange } from '#lib/workflow/verify-range.ts';
import { writeRange } from '#lib/workflow/write-range.ts';
import { CAUGHT_CAUSE, CAUGHT_ERROR } from './caught.ts';

/** `calls` counts those of earlier executions too. */
const CALLS_LEFT = `${field(restoredDisk, 'calls')} < $states.context.Execution.Input.calls + ${STRETCH_CALLS}`;
const COMPARING = `$exists(${field(verifyRange.input, 'nextGrain')})`;

export function restoreDisk(
  scope: Construct,
  { write, verify }: { readonly write: LambdaInvoke; readonly verify: LambdaInvoke },
): IChainable {
  const stands = Succeed.jsonata(scope, 'disk-stands');
  const failed = Fail.jsonata(scope, 'range-failed', {
    error: '{% $states.input.error %}',
    cause: '{% $states.input.cause %}',
  });
  const loop = (state: string, step: LambdaInvoke, { done, next }: { done: string; next: IChainable }) => {
    step.addCatch(failed, { outputs: { error: jsonata(CAUGHT_ERROR), cause: jsonata(CAUGHT_CAUSE) } });
    return step.next(
      Choice.jsonata(scope, state)
        .when(Condition.jsonata(jsonata(done)), next)
        .when(Condition.jsonata(jsonata(CALLS_LEFT)), step)
        .otherwise(stands),
    );
  };
  const verified = loop('disk-verified', verify, { done: field(verifyRange.output, 'done'), next: stands });
  const written = loop('disk-written', write, { done: field(writeRange.output, 'done'), next: verified });
  return Choice.jsonata(scope, 'disk-begun')
    .when(Condition.jsonata(jsonata(COMPARING)), verify)
    .otherwise(written);
}
