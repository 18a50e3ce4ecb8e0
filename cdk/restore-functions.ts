/** The functions of a restore. None of them may write or remove anything of the vault. */

import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import { finishRestore } from '#lib/workflow/finish-restore.ts';
import { planRestore } from '#lib/workflow/plan-restore.ts';
import { releaseRestore } from '#lib/workflow/release-restore.ts';
import { verifyRange } from '#lib/workflow/verify-range.ts';
import { writeRange } from '#lib/workflow/write-range.ts';
import { type VaultProps, vaultEnvironmentOf } from './backup-functions.ts';
import { readSecrets } from './host-access.ts';
import type { Placement } from './network.ts';
import { poolEntriesOf } from './settings.ts';
import { StepFunction } from './step-function.ts';
import { vaultAccess, vaultStatements } from './vault-access.ts';

export interface RestoreFunctionsProps extends VaultProps {
  readonly placement: Placement;
}

export interface RestoreFunctions {
  readonly planRestore: IFunction;
  readonly writeRange: IFunction;
  readonly verifyRange: IFunction;
  readonly finishRestore: IFunction;
  readonly releaseRestore: IFunction;
}

export function restoreFunctions(scope: Construct, props: RestoreFunctionsProps): RestoreFunctions {
  const { settings, place, placement } = props;
  const login = readSecrets(scope, settings.pools);
  const pools = { POOLS: JSON.stringify(poolEntriesOf(settings.pools)) };
  const environment = { ...vaultEnvironmentOf(props), ...pools };
  const access = (step: keyof typeof vaultAccess) => [...vaultStatements(place, vaultAccess[step]), login];
  const shared = { installation: settings.name, placement };
  const withVault = { ...shared, environment };
  return {
    planRestore: new StepFunction(scope, {
      ...withVault,
      contract: planRestore,
      statements: access('plan-restore'),
    }).function,
    writeRange: new StepFunction(scope, {
      ...withVault,
      contract: writeRange,
      statements: access('write-range'),
    }).function,
    verifyRange: new StepFunction(scope, {
      ...withVault,
      contract: verifyRange,
      statements: access('verify-range'),
    }).function,
    finishRestore: new StepFunction(scope, {
      ...withVault,
      contract: finishRestore,
      statements: access('finish-restore'),
    }).function,
    releaseRestore: new StepFunction(scope, {
      ...shared,
      contract: releaseRestore,
      environment: pools,
      statements: [login],
    }).function,
  };
}
