/** One disk of a restore: written until all of it is there, then compared until all of it was. */

import { type Chain, Choice, Condition, Fail, type IChainable, Succeed } from 'aws-cdk-lib/aws-stepfunctions';
import type { LambdaInvoke } from 'aws-cdk-lib/aws-stepfunctions-tasks';
import type { Construct } from 'constructs';
import { RestoreTooSlow } from '#lib/restore/failures.ts';
import { field, jsonata } from '#lib/workflow/contract.ts';
import { MAX_RANGE_CALLS, restoredDisk } from '#lib/workflow/restore-input.ts';
import { verifyRange } from '#lib/workflow/verify-range.ts';
import { writeRange } from '#lib/workflow/write-range.ts';

const TOO_SLOW = `The disk was not done after ${MAX_RANGE_CALLS} calls; look at the link between the functions and the host`;

/**
 * ```
 *   write-range --> disk-written? --yes--> verify-range --> disk-verified? --yes--> disk-restored
 *     ^                | no                   ^                | no
 *     +--calls left----+--none left--+        +---calls left---+--none left--+
 *                                    +-------> disk-too-slow <---------------+
 * ```
 * Each step's answer is its next input.
 */
export function restoreDisk(
  scope: Construct,
  { write, verify }: { readonly write: LambdaInvoke; readonly verify: LambdaInvoke },
): Chain {
  const tooSlow = Fail.jsonata(scope, 'disk-too-slow', { error: RestoreTooSlow.failureName, cause: TOO_SLOW });
  const mayGoOn = Condition.jsonata(jsonata(`${field(restoredDisk, 'calls')} < ${MAX_RANGE_CALLS}`));
  const loop = (state: string, step: LambdaInvoke, { done, next }: { done: string; next: IChainable }) =>
    step.next(
      Choice.jsonata(scope, state)
        .when(Condition.jsonata(jsonata(done)), next)
        .when(mayGoOn, step)
        .otherwise(tooSlow),
    );
  const verified = loop('disk-verified', verify, {
    done: field(verifyRange.output, 'done'),
    next: Succeed.jsonata(scope, 'disk-restored'),
  });
  return loop('disk-written', write, { done: field(writeRange.output, 'done'), next: verified });
}
