/** The state machine that backs up one VM. */

import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { vaultPatterns } from '#lib/format/keys.ts';
import { RUN_LIMIT_HOURS } from '#lib/workflow/backup-input.ts';
import type { BackupFunctions } from './backup-functions.ts';
import { backupWorkflow } from './backup-workflow.ts';
import { keyStatement, type VaultPlace } from './vault-access.ts';
import { statesArn, WorkflowMachine } from './workflow-machine.ts';

export interface BackupMachineProps {
  readonly stateMachineName: string;
  readonly functions: BackupFunctions;
  readonly bucket: IBucket;
  readonly place: VaultPlace;
}

export function backupMachine(scope: Construct, props: BackupMachineProps): StateMachine {
  const { stateMachineName, functions, bucket } = props;
  return new WorkflowMachine(scope, 'Backup', {
    stateMachineName,
    description: 'Blockferry backup workflow',
    limitHours: RUN_LIMIT_HOURS,
    statements: statementsOf(props),
    workflow: (inside) => backupWorkflow(inside, { functions, bucket }),
  }).stateMachine;
}

function statementsOf({ stateMachineName, functions, place }: BackupMachineProps): PolicyStatement[] {
  const object = (pattern: string) => `${place.bucketArn}/${place.prefix}${pattern}`;
  return [
    new PolicyStatement({
      actions: ['lambda:InvokeFunction'],
      resources: Object.values(functions).map((step) => step.functionArn),
    }),
    // A distributed map starts its children as executions of the machine itself.
    new PolicyStatement({
      actions: ['states:StartExecution'],
      resources: [statesArn(`stateMachine:${stateMachineName}`)],
    }),
    new PolicyStatement({
      actions: ['states:DescribeExecution', 'states:RedriveExecution', 'states:StopExecution'],
      resources: [statesArn(`execution:${stateMachineName}:*`), statesArn(`execution:${stateMachineName}/*:*`)],
    }),
    new PolicyStatement({ actions: ['s3:GetObject'], resources: [object(vaultPatterns.shards)] }),
    new PolicyStatement({
      actions: ['s3:AbortMultipartUpload', 's3:GetObject', 's3:ListMultipartUploadParts', 's3:PutObject'],
      resources: [object(vaultPatterns.results)],
    }),
    keyStatement(place),
  ];
}
