/** The stateless stack: functions, state machine and schedules. It can be deleted and deployed again without loss. */

import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { backupFunctions } from './backup-functions.ts';
import { BackupMachine } from './backup-machine.ts';
import { dailyBackup } from './daily-backup.ts';
import type { Settings } from './settings.ts';
import type { VaultPlace } from './vault-access.ts';

export interface PipelineStackProps extends StackProps {
  readonly settings: Settings;
  readonly bucket: IBucket;
  readonly key: IKey;
}

export class PipelineStack extends Stack {
  constructor(scope: Construct, id: string, props: PipelineStackProps) {
    super(scope, id, props);
    const { settings, bucket, key } = props;
    const stateMachineName = `${settings.name}-backup`;
    const place: VaultPlace = { bucketArn: bucket.bucketArn, keyArn: key.keyArn, prefix: settings.vault.prefix };
    const functions = backupFunctions(this, { settings, bucket, place, stateMachineName });
    const { stateMachine } = new BackupMachine(this, { stateMachineName, functions, bucket, place });
    for (const schedule of settings.schedules) dailyBackup(this, stateMachine, schedule);
    new CfnOutput(this, 'BackupStateMachineArn', { value: stateMachine.stateMachineArn });
  }
}
