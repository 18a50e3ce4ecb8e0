/** The state machine that backs up the VMs of a policy, with the function that selects them. */

import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { FLEET_LIMIT_HOURS } from '#lib/workflow/fleet-input.ts';
import { childRunStatements } from './child-run.ts';
import { fleetWorkflow } from './fleet-workflow.ts';
import { WorkflowMachine } from './workflow-machine.ts';

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
      ...childRunStatements(scope, { machine: backup, machineName: backupName }),
    ],
    workflow: (inside) => fleetWorkflow(inside, { listVms, backup }),
  }).stateMachine;
}
