/** The functions of the upkeep, each with its own access: who judges cannot delete, who deletes cannot read. */

import type { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import type { EnvironmentOf, StepContract } from '#lib/workflow/contract.ts';
import { planCollection } from '#lib/workflow/plan-collection.ts';
import { prunePoints } from '#lib/workflow/prune-points.ts';
import { removeVersions } from '#lib/workflow/remove-versions.ts';
import { sweepRuns } from '#lib/workflow/sweep-runs.ts';
import { takeInventory } from '#lib/workflow/take-inventory.ts';
import { verifyPoints } from '#lib/workflow/verify-points.ts';
import { writeReport } from '#lib/workflow/write-report.ts';
import { type VaultProps, vaultEnvironmentOf } from './backup-functions.ts';
import { askAfterExecutions, readSecrets } from './host-access.ts';
import type { Placement } from './network.ts';
import { poolEntriesOf, retentionOf } from './settings.ts';
import { StepFunction } from './step-function.ts';
import type { UpkeepFunctions } from './upkeep-tasks.ts';
import { listUploads, listVersions, removeVersionsOf, vaultAccess, vaultStatements } from './vault-access.ts';

export interface UpkeepFunctionsProps extends VaultProps {
  readonly backupName: string;
  readonly restoreName: string;
  readonly placement: Placement;
}

export function upkeepFunctions(scope: Construct, props: UpkeepFunctionsProps): UpkeepFunctions {
  const { settings, place } = props;
  const vault = vaultEnvironmentOf(props);
  const access = (step: keyof typeof vaultAccess) => vaultStatements(place, vaultAccess[step]);
  const inVault = <Contract extends StepContract>(contract: Contract, own: OwnProps<Contract>): IFunction =>
    new StepFunction(scope, { installation: settings.name, contract, placement: {}, ...own }).function;
  return {
    sweep: inVault(sweepRuns, {
      environment: { ...vault, POOLS: JSON.stringify(poolEntriesOf(settings.pools)) },
      statements: [
        ...access('sweep-runs'),
        listUploads(place),
        readSecrets(scope, settings.pools),
        askAfterExecutions(props.backupName, props.restoreName),
      ],
      placement: props.placement,
    }),
    inventory: inVault(takeInventory, {
      environment: { ...vault, POOLS: JSON.stringify(poolEntriesOf(settings.pools)) },
      statements: [...access('take-inventory'), readSecrets(scope, settings.pools)],
      placement: props.placement,
    }),
    prune: inVault(prunePoints, {
      environment: { ...vault, RETENTION: JSON.stringify(retentionOf(settings.policies)) },
      statements: access('prune-points'),
    }),
    plan: inVault(planCollection, {
      environment: vault,
      statements: [...access('plan-collection'), listVersions(place)],
    }),
    remove: inVault(removeVersions, {
      environment: vault,
      statements: [listVersions(place), removeVersionsOf(place)],
    }),
    verify: inVault(verifyPoints, { environment: vault, statements: access('verify-points') }),
    report: inVault(writeReport, {
      environment: {
        ...vault,
        OBJECTIVE_HOURS: String(settings.objectiveHours),
        STORAGE_CLASS: settings.vault.storageClass,
      },
      statements: access('write-report'),
    }),
  };
}

interface OwnProps<Contract extends StepContract> {
  readonly environment: EnvironmentOf<Contract>;
  readonly statements: readonly PolicyStatement[];
  readonly placement?: Placement;
}
