/** The stateless stack: functions, state machine and schedules. It can be deleted and deployed again without loss. */

import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { backupFunctions, listVmsFunction, watchPointsFunction } from './backup-functions.ts';
import { backupMachine } from './backup-machine.ts';
import { fleetMachine } from './fleet-machine.ts';
import { placementIn } from './network.ts';
import { observability } from './observability.ts';
import { policySchedule } from './policy-schedule.ts';
import type { Settings } from './settings.ts';
import { upkeepFunctions } from './upkeep-functions.ts';
import { upkeepMachine } from './upkeep-machine.ts';
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
    const backupName = `${settings.name}-backup`;
    const placement = placementIn(this, settings.network);
    const place: VaultPlace = {
      bucketArn: bucket.bucketArn,
      keyArn: key.keyArn,
      prefix: settings.vault.prefix,
      objectLock: settings.vault.objectLock !== undefined,
    };
    const functions = backupFunctions(this, { settings, bucket, place, backupName, placement });
    const backup = backupMachine(this, { stateMachineName: backupName, functions, bucket, place });
    const fleet = fleetMachine(this, {
      stateMachineName: `${settings.name}-fleet`,
      listVms: listVmsFunction(this, settings, placement),
      backup,
      backupName,
    });
    const upkeep = upkeepMachine(this, {
      settings,
      functions: upkeepFunctions(this, { settings, bucket, place, backupName, placement }),
    });
    const topic = observability(this, {
      settings,
      watch: watchPointsFunction(this, { settings, bucket, place }),
      backup,
      fleet,
      upkeep,
    });
    for (const policy of settings.policies) policySchedule(this, fleet, policy);
    new CfnOutput(this, 'BackupStateMachineArn', { value: backup.stateMachineArn });
    new CfnOutput(this, 'AlarmTopicArn', { value: topic.topicArn });
    new CfnOutput(this, 'FleetStateMachineArn', { value: fleet.stateMachineArn });
  }
}
