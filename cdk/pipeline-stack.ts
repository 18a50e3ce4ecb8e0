/** The stateless stack: functions, state machine and schedules. It can be deleted and deployed again without loss. */

import assert from 'node:assert/strict';
import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { backupFunctions, listVmsFunction, watchPointsFunction } from './backup-functions.ts';
import { backupMachine } from './backup-machine.ts';
import { existingVault, type VaultParts } from './existing-vault.ts';
import { fleetMachine } from './fleet-machine.ts';
import { placementIn } from './network.ts';
import { observability } from './observability.ts';
import { policySchedule } from './policy-schedule.ts';
import { restoreFunctions } from './restore-functions.ts';
import { restoreMachine } from './restore-machine.ts';
import type { Settings } from './settings.ts';
import { upkeepFunctions } from './upkeep-functions.ts';
import { upkeepMachine } from './upkeep-machine.ts';
import type { VaultPlace } from './vault-access.ts';

export interface PipelineStackProps extends StackProps {
  readonly settings: Settings;
  /** Left out when the settings name one that exists. */
  readonly vault?: VaultParts;
}

export class PipelineStack extends Stack {
  constructor(scope: Construct, id: string, props: PipelineStackProps) {
    super(scope, id, props);
    const { settings } = props;
    const { bucket, key, signingKey } = vaultOf(this, props);
    const backupName = `${settings.name}-backup`;
    const restoreName = `${settings.name}-restore`;
    const placement = placementIn(this, { network: settings.network, bucketArn: bucket.bucketArn });
    const place: VaultPlace = {
      bucketArn: bucket.bucketArn,
      keyArn: key.keyArn,
      prefix: settings.vault.prefix,
      objectLock: settings.vault.objectLock !== undefined,
      signingKeyArn: settings.vault.signing?.keyArn ?? signingKey?.keyArn,
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
      functions: upkeepFunctions(this, { settings, bucket, place, backupName, restoreName, placement }),
    });
    const restore = restoreMachine(this, {
      stateMachineName: restoreName,
      functions: restoreFunctions(this, { settings, bucket, place, placement }),
    });
    const topic = observability(this, {
      settings,
      watch: watchPointsFunction(this, { settings, bucket, place }),
      backup,
      fleet,
      upkeep,
      restore,
    });
    for (const policy of settings.policies) policySchedule(this, fleet, policy);
    new CfnOutput(this, 'BackupStateMachineArn', { value: backup.stateMachineArn });
    new CfnOutput(this, 'AlarmTopicArn', { value: topic.topicArn });
    new CfnOutput(this, 'FleetStateMachineArn', { value: fleet.stateMachineArn });
    new CfnOutput(this, 'RestoreStateMachineArn', { value: restore.stateMachineArn });
  }
}

function vaultOf(scope: Construct, { settings, vault }: PipelineStackProps): VaultParts {
  const { existing } = settings.vault;
  if (existing !== undefined) return existingVault(scope, existing);
  assert(vault !== undefined, 'a pipeline needs the vault of its installation, or settings that name an existing one');
  return vault;
}
