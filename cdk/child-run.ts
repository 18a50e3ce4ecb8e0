/** A task that runs another state machine and waits for its end, and what that takes. */

import { Stack } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { IntegrationPattern, type StateMachine, TaskInput } from 'aws-cdk-lib/aws-stepfunctions';
import { StepFunctionsStartExecution } from 'aws-cdk-lib/aws-stepfunctions-tasks';
import type { Construct } from 'constructs';
import { WHOLE_INPUT } from '#lib/workflow/contract.ts';
import { statesArn } from './workflow-machine.ts';

/** The cause of a child that failed is its description as JSON; quotes inside its fields stand behind a backslash. */
const DESCRIPTION = "$description := $exists($states.errorOutput.Cause) ? $states.errorOutput.Cause : '';";
const part = (name: string) => `$match($description, /"${name}":"(.*?)"(,"|\\})/)[0].groups[0]`;

/** JSONata for a Catch around a child: what the child itself failed with, and why. */
export const CHILD_ERROR = `(${DESCRIPTION} $error := ${part('Error')}; $exists($error) ? $error : $states.errorOutput.Error)`;
export const CHILD_CAUSE = `(${DESCRIPTION} $why := ${part('Cause')}; $exists($why) ? $replace($why, '\\\\"', '"') : $description)`;

export interface ChildRunProps {
  readonly machine: StateMachine;
  /** A JSONata expression, or one for each field. */
  readonly outputs: string | Readonly<Record<string, string>>;
}

/** The child's input is the state's. */
export function childRun(
  scope: Construct,
  id: string,
  { machine, outputs }: ChildRunProps,
): StepFunctionsStartExecution {
  return StepFunctionsStartExecution.jsonata(scope, id, {
    stateMachine: machine,
    integrationPattern: IntegrationPattern.RUN_JOB,
    input: TaskInput.fromText(WHOLE_INPUT),
    outputs,
  });
}

export interface ChildMachine {
  readonly machine: StateMachine;
  readonly machineName: string;
}

/** To start a child, to see its end, and to stop it when the parent ends before. */
export function childRunStatements(scope: Construct, { machine, machineName }: ChildMachine): PolicyStatement[] {
  return [
    new PolicyStatement({ actions: ['states:StartExecution'], resources: [machine.stateMachineArn] }),
    new PolicyStatement({
      actions: ['states:DescribeExecution', 'states:StopExecution'],
      resources: [statesArn(`execution:${machineName}:*`)],
    }),
    learnOfEnds(scope),
  ];
}

/** Step Functions learns of the end of a child through a rule that it manages itself; the name is the service's. */
function learnOfEnds(scope: Construct): PolicyStatement {
  const rule = 'StepFunctionsGetEventsForStepFunctionsExecutionRule';
  return new PolicyStatement({
    actions: ['events:DescribeRule', 'events:PutRule', 'events:PutTargets'],
    resources: [Stack.of(scope).formatArn({ service: 'events', resource: `rule/${rule}` })],
  });
}
