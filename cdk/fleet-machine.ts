/** The state machine that backs up the VMs of a policy, with the function that selects them. */

import { Stack } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { FLEET_LIMIT_HOURS } from '#lib/workflow/fleet-input.ts';
import { fleetWorkflow } from './fleet-workflow.ts';
import { statesArn, WorkflowMachine } from './workflow-machine.ts';

export interface FleetMachineProps {
  readonly stateMachineName: string;
  readonly listVms: IFunction;
  readonly backup: StateMachine;
  readonly backupName: string;
}

export function fleetMachine(scope: Construct, props: FleetMachineProps): StateMachine {
  const { listVms, backup, backupName } = props;
  return new WorkflowMachine(scope, 'Fleet', {
    stateMachineName: props.stateMachineName,
    description: 'Blockferry fleet workflow',
    limitHours: FLEET_LIMIT_HOURS,
    statements: [
      new PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [listVms.functionArn] }),
      new PolicyStatement({ actions: ['states:StartExecution'], resources: [backup.stateMachineArn] }),
      new PolicyStatement({
        actions: ['states:DescribeExecution', 'states:StopExecution'],
        resources: [statesArn(`execution:${backupName}:*`)],
      }),
      learnOfEnds(scope),
    ],
    workflow: (inside) => fleetWorkflow(inside, { listVms, backup }),
  }).stateMachine;
}

/** Step Functions learns of the end of a child through a rule that it manages itself; the name is the service's. */
function learnOfEnds(scope: Construct): PolicyStatement {
  const rule = 'StepFunctionsGetEventsForStepFunctionsExecutionRule';
  return new PolicyStatement({
    actions: ['events:DescribeRule', 'events:PutRule', 'events:PutTargets'],
    resources: [Stack.of(scope).formatArn({ service: 'events', resource: `rule/${rule}` })],
  });
}
