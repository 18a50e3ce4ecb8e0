/** A step that is called again, at once or after the pause it asks for, until it says that it is done. */

import {
  type Chain,
  Choice,
  Condition,
  type IChainable,
  type TaskStateBase,
  Wait,
  WaitTime,
} from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { field, jsonata } from '#lib/workflow/contract.ts';
import { waiting } from '#lib/workflow/waiting.ts';

export interface StepLoopProps {
  /** JSONata text: true once the step has reached its end. */
  readonly done: string;
  readonly next: IChainable;
}

/**
 * ```
 *   task --> <task>-done --yes--> next
 *     ^           | no
 *     +---- <task>-wait
 * ```
 * What ends a loop that never gets there is the time limit of the state machine.
 */
export function stepLoop(scope: Construct, task: TaskStateBase, { done, next }: StepLoopProps): Chain {
  const pause = WaitTime.seconds(jsonata(field(waiting, 'waitSeconds')));
  const wait = Wait.jsonata(scope, `${task.id}-wait`, { time: pause });
  const choice = Choice.jsonata(scope, `${task.id}-done`);
  choice.when(Condition.jsonata(jsonata(done)), next).otherwise(wait.next(task));
  return task.next(choice);
}

/**
 * ```
 *   task --> <task>-done --yes--> next
 *     ^           | no
 *     +-----------+
 * ```
 * The step's answer is its next input, and tells how far it came: every call takes it further.
 */
export function stepAgain(scope: Construct, task: TaskStateBase, { done, next }: StepLoopProps): Chain {
  const choice = Choice.jsonata(scope, `${task.id}-done`);
  choice.when(Condition.jsonata(jsonata(done)), next).otherwise(task);
  return task.next(choice);
}
