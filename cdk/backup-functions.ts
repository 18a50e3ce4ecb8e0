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
import { askAfterExecutions, readSecrets } from './host-access.ts';
import type { Placement } from './network.ts';
import { poolEntriesOf, type Settings } from './settings.ts';
import { StepFunction } from './step-function.ts';
import { type VaultPlace, vaultAccess, vaultStatements } from './vault-access.ts';

/** Buffers that pass through a reader die young but would be kept by a large young generation: 26 MiB less, measured. */
const READER_NODE_OPTIONS = '--max-semi-space-size=1';

export interface BackupFunctionsProps {
  readonly settings: Settings;
  readonly bucket: IBucket;
  readonly place: VaultPlace;
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
  const vault = {
    VAULT_BUCKET: props.bucket.bucketName,
    VAULT_PREFIX: settings.vault.prefix,
    VAULT_OWNER: settings.vault.owner === 'any' ? 'any' : Aws.ACCOUNT_ID,
  };
  const pools = { POOLS: JSON.stringify(poolEntriesOf(settings.pools)) };
  const defaults = { STORAGE_CLASS: settings.vault.storageClass, READERS: String(settings.readers) };
  const access = (step: keyof typeof vaultAccess) => vaultStatements(place, vaultAccess[step]);
  const login = readSecrets(scope, settings.pools);

  return {
    snapshotDisks: new StepFunction(scope, {
      contract: snapshotDisks,
      environment: { ...vault, ...pools, ...defaults },
      statements: [...access('snapshot-disks'), login, askAfterExecutions(props.backupName)],
      placement: nearHost,
    }).function,
    splitExtents: new StepFunction(scope, {
      contract: splitExtents,
      environment: vault,
      statements: access('split-extents'),
      placement: {},
    }).function,
    readShard: new StepFunction(scope, {
      contract: readShard,
      environment: { ...vault, NODE_OPTIONS: READER_NODE_OPTIONS },
      statements: access('read-shard'),
      placement: nearHost,
    }).function,
    keepFailure: new StepFunction(scope, {
      contract: keepFailure,
      environment: vault,
      statements: access('keep-failure'),
      placement: {},
    }).function,
    commitPoint: new StepFunction(scope, {
      contract: commitPoint,
      environment: vault,
      statements: access('commit-point'),
      placement: {},
    }).function,
    releaseHost: new StepFunction(scope, {
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
    contract: listVms,
    environment: { POOLS: JSON.stringify(poolEntriesOf(settings.pools)), READERS: String(settings.readers) },
    statements: [readSecrets(scope, settings.pools)],
    placement,
  }).function;
}
