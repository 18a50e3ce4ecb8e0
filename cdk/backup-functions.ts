/** The functions of the workflows, each with its own access to the vault and to the pools. */

import { Aws } from 'aws-cdk-lib';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { commitPoint } from '#lib/workflow/commit-point.ts';
import { keepFailure } from '#lib/workflow/keep-failure.ts';
import { listVms } from '#lib/workflow/list-vms.ts';
import { readShard } from '#lib/workflow/read-shard.ts';
import { releaseHost } from '#lib/workflow/release-host.ts';
import { snapshotDisks } from '#lib/workflow/snapshot-disks.ts';
import { splitExtents } from '#lib/workflow/split-extents.ts';
import { watchPoints } from '#lib/workflow/watch-points.ts';
import { askAfterExecutions, readSecrets } from './host-access.ts';
import type { Placement } from './network.ts';
import { poolEntriesOf, type Settings } from './settings.ts';
import { StepFunction } from './step-function.ts';
import { listAllUnder, type VaultPlace, vaultAccess, vaultStatements } from './vault-access.ts';

/** Buffers that pass through a reader die young but would be kept by a large young generation: 26 MiB less, measured. */
const READER_NODE_OPTIONS = '--max-semi-space-size=1';

export interface VaultProps {
  readonly settings: Settings;
  readonly bucket: IBucket;
  readonly place: VaultPlace;
}

export interface BackupFunctionsProps extends VaultProps {
  readonly backupName: string;
  readonly placement: Placement;
}

export interface BackupFunctions {
  readonly snapshotDisks: IFunction;
  readonly splitExtents: IFunction;
  readonly readShard: IFunction;
  readonly keepFailure: IFunction;
  readonly commitPoint: IFunction;
  readonly releaseHost: IFunction;
}

export function backupFunctions(scope: Construct, props: BackupFunctionsProps): BackupFunctions {
  const { settings, place, placement: nearHost } = props;
  const vault = vaultEnvironmentOf(props);
  const pools = { POOLS: JSON.stringify(poolEntriesOf(settings.pools)) };
  const defaults = {
    STORAGE_CLASS: settings.vault.storageClass,
    READERS: String(settings.readers),
    OBJECT_LOCK: settings.vault.objectLock?.mode ?? 'off',
  } as const;
  const access = (step: keyof typeof vaultAccess) => vaultStatements(place, vaultAccess[step]);
  const login = readSecrets(scope, settings.pools);

  return {
    snapshotDisks: new StepFunction(scope, {
      installation: settings.name,
      contract: snapshotDisks,
      environment: { ...vault, ...pools, ...defaults },
      statements: [...access('snapshot-disks'), login, askAfterExecutions(props.backupName)],
      placement: nearHost,
    }).function,
    splitExtents: new StepFunction(scope, {
      installation: settings.name,
      contract: splitExtents,
      environment: vault,
      statements: access('split-extents'),
      placement: {},
    }).function,
    readShard: new StepFunction(scope, {
      installation: settings.name,
      contract: readShard,
      environment: { ...vault, NODE_OPTIONS: READER_NODE_OPTIONS },
      statements: access('read-shard'),
      placement: nearHost,
    }).function,
    keepFailure: new StepFunction(scope, {
      installation: settings.name,
      contract: keepFailure,
      environment: vault,
      statements: access('keep-failure'),
      placement: {},
    }).function,
    commitPoint: new StepFunction(scope, {
      installation: settings.name,
      contract: commitPoint,
      environment: { ...vault, SIGNING_KEY: place.signingKeyArn ?? 'none' },
      statements: access('commit-point'),
      placement: {},
    }).function,
    releaseHost: new StepFunction(scope, {
      installation: settings.name,
      contract: releaseHost,
      environment: { ...vault, ...pools },
      statements: [...access('release-host'), login],
      placement: nearHost,
    }).function,
  };
}

/** It reads the pool's inventory and nothing of the vault. */
export function listVmsFunction(scope: Construct, settings: Settings, placement: Placement): IFunction {
  return new StepFunction(scope, {
    installation: settings.name,
    contract: listVms,
    environment: { POOLS: JSON.stringify(poolEntriesOf(settings.pools)), READERS: String(settings.readers) },
    statements: [readSecrets(scope, settings.pools)],
    placement,
  }).function;
}

/** It sees the names of restore points and can read none of them. */
export function watchPointsFunction(scope: Construct, props: VaultProps): IFunction {
  return new StepFunction(scope, {
    installation: props.settings.name,
    contract: watchPoints,
    environment: { ...vaultEnvironmentOf(props), OBJECTIVE_HOURS: String(props.settings.objectiveHours) },
    statements: [listAllUnder(props.place, 'vms/')],
    placement: {},
  }).function;
}

/** Where the vault is, as every function that uses it is told. */
export function vaultEnvironmentOf({ settings, bucket }: VaultProps) {
  return {
    VAULT_BUCKET: bucket.bucketName,
    VAULT_PREFIX: settings.vault.prefix,
    VAULT_OWNER: settings.vault.owner === 'any' ? 'any' : (settings.vault.existing?.account ?? Aws.ACCOUNT_ID),
  };
}
