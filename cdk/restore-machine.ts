/** The state machine that restores a VM, or disks of it, to a pool. */

import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { RESTORE_LIMIT_HOURS } from '#lib/workflow/restore-input.ts';
import type { RestoreFunctions } from './restore-functions.ts';
import { restoreWorkflow } from './restore-workflow.ts';
import { WorkflowMachine } from './workflow-machine.ts';

export interface RestoreMachineProps {
  readonly stateMachineName: string;
  readonly functions: RestoreFunctions;
}

export function restoreMachine(scope: Construct, { stateMachineName, functions }: RestoreMachineProps): StateMachine {
  return new WorkflowMachine(scope, 'Restore', {
    stateMachineName,
    description: 'Blockferry restore workflow',
    limitHours: RESTORE_LIMIT_HOURS,
    statements: [
      new PolicyStatement({
        actions: ['lambda:InvokeFunction'],
        resources: Object.values(functions).map((step) => step.functionArn),
      }),
    ],
    workflow: (inside) => restoreWorkflow(inside, functions),
  }).stateMachine;
}
