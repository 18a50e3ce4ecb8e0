/** The state machine of the daily upkeep, with its functions and its schedule. */

import { Duration, TimeZone } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Schedule, ScheduleExpression, ScheduleTargetInput } from 'aws-cdk-lib/aws-scheduler';
import { StepFunctionsStartExecution } from 'aws-cdk-lib/aws-scheduler-targets';
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { sweepRuns } from '#lib/workflow/sweep-runs.ts';
import { verifyPoints } from '#lib/workflow/verify-points.ts';
import { type VaultProps, vaultEnvironmentOf } from './backup-functions.ts';
import { askAfterExecutions, readSecrets } from './host-access.ts';
import type { Placement } from './network.ts';
import { poolEntriesOf } from './settings.ts';
import { StepFunction } from './step-function.ts';
import { upkeepWorkflow } from './upkeep-workflow.ts';
import { vaultAccess, vaultStatements } from './vault-access.ts';
import { WorkflowMachine } from './workflow-machine.ts';

/** Two steps of 15 minutes, each with its attempts. */
const LIMIT_HOURS = 6;
/** A late upkeep is as good as a punctual one, but two at a time are of no use. */
const START_ATTEMPTS = 5;
const START_WITHIN = Duration.hours(1);

export interface UpkeepProps extends VaultProps {
  readonly backupName: string;
  readonly placement: Placement;
}

export function upkeepMachine(scope: Construct, props: UpkeepProps): StateMachine {
  const { settings, place } = props;
  const installation = settings.name;
  const vault = vaultEnvironmentOf(props);
  const sweep = new StepFunction(scope, {
    installation,
    contract: sweepRuns,
    environment: { ...vault, POOLS: JSON.stringify(poolEntriesOf(settings.pools)) },
    statements: [
      ...vaultStatements(place, vaultAccess['sweep-runs']),
      // Uploads in progress are listed for a whole bucket: S3 knows no narrower resource.
      new PolicyStatement({ actions: ['s3:ListBucketMultipartUploads'], resources: [place.bucketArn] }),
      readSecrets(scope, settings.pools),
      askAfterExecutions(props.backupName),
    ],
    placement: props.placement,
  }).function;
  const verify = new StepFunction(scope, {
    installation,
    contract: verifyPoints,
    environment: vault,
    statements: vaultStatements(place, vaultAccess['verify-points']),
    placement: {},
  }).function;
  const machine = new WorkflowMachine(scope, 'Upkeep', {
    stateMachineName: `${installation}-upkeep`,
    description: 'Blockferry upkeep workflow',
    limitHours: LIMIT_HOURS,
    statements: [
      new PolicyStatement({ actions: ['lambda:InvokeFunction'], resources: [sweep.functionArn, verify.functionArn] }),
    ],
    workflow: (inside) => upkeepWorkflow(inside, { sweep, verify }),
  }).stateMachine;
  daily(scope, props, machine);
  return machine;
}

function daily(scope: Construct, { settings }: UpkeepProps, machine: StateMachine): void {
  const [hour = '0', minute = '0'] = settings.upkeep.at.split(':');
  new Schedule(scope, 'Daily-upkeep', {
    description: 'Blockferry upkeep',
    schedule: ScheduleExpression.cron({
      hour: String(Number(hour)),
      minute: String(Number(minute)),
      timeZone: TimeZone.of(settings.upkeep.timezone),
    }),
    target: new StepFunctionsStartExecution(machine, {
      input: ScheduleTargetInput.fromObject({}),
      retryAttempts: START_ATTEMPTS,
      maxEventAge: START_WITHIN,
    }),
  });
}
