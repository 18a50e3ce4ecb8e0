/** The state machine that restores a VM, or disks of it, to a pool, and the one that it runs for each disk. */

import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { RESTORE_LIMIT_HOURS } from '#lib/workflow/restore-input.ts';
import { childRunStatements } from './child-run.ts';
import { restoreDisk } from './restore-disk.ts';
import type { RestoreFunctions } from './restore-functions.ts';
import { rangeTasks } from './restore-tasks.ts';
import { restoreWorkflow } from './restore-workflow.ts';
import { WorkflowMachine } from './workflow-machine.ts';

export interface RestoreMachineProps {
  readonly stateMachineName: string;
  readonly functions: RestoreFunctions;
}

export function restoreMachine(scope: Construct, { stateMachineName, functions }: RestoreMachineProps): StateMachine {
  const diskMachineName = `${stateMachineName}-disk`;
  const { writeRange, verifyRange, ...ofRestore } = functions;
  const disk = new WorkflowMachine(scope, 'RestoreDisk', {
    stateMachineName: diskMachineName,
    description: 'Blockferry restore of one disk',
    limitHours: RESTORE_LIMIT_HOURS,
    statements: [invoke({ writeRange, verifyRange })],
    workflow: (inside) => restoreDisk(inside, rangeTasks(inside, { writeRange, verifyRange })),
  }).stateMachine;
  return new WorkflowMachine(scope, 'Restore', {
    stateMachineName,
    description: 'Blockferry restore workflow',
    limitHours: RESTORE_LIMIT_HOURS,
    statements: [invoke(ofRestore), ...childRunStatements(scope, { machine: disk, machineName: diskMachineName })],
    workflow: (inside) => restoreWorkflow(inside, { functions: ofRestore, disk }),
  }).stateMachine;
}

function invoke(functions: Readonly<Record<string, IFunction>>): PolicyStatement {
  return new PolicyStatement({
    actions: ['lambda:InvokeFunction'],
    resources: Object.values(functions).map((step) => step.functionArn),
  });
}
