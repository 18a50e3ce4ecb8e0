/** The state machine of the daily upkeep, with its schedule. */

import { Duration, TimeZone } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Schedule, ScheduleExpression, ScheduleTargetInput } from 'aws-cdk-lib/aws-scheduler';
import { StepFunctionsStartExecution } from 'aws-cdk-lib/aws-scheduler-targets';
import type { StateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import type { Settings } from './settings.ts';
import type { UpkeepFunctions } from './upkeep-tasks.ts';
import { upkeepWorkflow } from './upkeep-workflow.ts';
import { WorkflowMachine } from './workflow-machine.ts';

/** The largest vaults need several calls of a step, of 15 minutes each; the next upkeep begins a day later. */
const LIMIT_HOURS = 20;
/** A late upkeep is as good as a punctual one, but two at a time are of no use. */
const START_ATTEMPTS = 5;
const START_WITHIN = Duration.hours(1);

export interface UpkeepProps {
  readonly settings: Settings;
  readonly functions: UpkeepFunctions;
}

export function upkeepMachine(scope: Construct, { settings, functions }: UpkeepProps): StateMachine {
  const machine = new WorkflowMachine(scope, 'Upkeep', {
    stateMachineName: `${settings.name}-upkeep`,
    description: 'Blockferry upkeep workflow',
    limitHours: LIMIT_HOURS,
    statements: [
      new PolicyStatement({
        actions: ['lambda:InvokeFunction'],
        resources: Object.values(functions).map((step) => step.functionArn),
      }),
    ],
    workflow: (inside) => upkeepWorkflow(inside, { functions, policies: settings.policies }),
  }).stateMachine;
  daily(scope, settings, machine);
  return machine;
}

function daily(scope: Construct, settings: Settings, machine: StateMachine): void {
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
