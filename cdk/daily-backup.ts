/** A backup of one VM every day at the same time of its own time zone. */

import { Duration, TimeZone } from 'aws-cdk-lib';
import { Schedule, ScheduleExpression, ScheduleTargetInput } from 'aws-cdk-lib/aws-scheduler';
import { StepFunctionsStartExecution } from 'aws-cdk-lib/aws-scheduler-targets';
import type { IStateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import type { ScheduleSettings } from './settings.ts';

/** The scheduler's default is 185 attempts in 24 hours: a backup that late would meet the next one. */
const START_ATTEMPTS = 5;
const START_WITHIN = Duration.hours(1);

export function dailyBackup(scope: Construct, machine: IStateMachine, settings: ScheduleSettings): Schedule {
  const [hour = '0', minute = '0'] = settings.at.split(':');
  return new Schedule(scope, `Daily-${settings.name}`, {
    description: `Blockferry backup ${settings.name}`,
    schedule: ScheduleExpression.cron({
      hour: String(Number(hour)),
      minute: String(Number(minute)),
      timeZone: TimeZone.of(settings.timezone),
    }),
    target: new StepFunctionsStartExecution(machine, {
      input: ScheduleTargetInput.fromObject(settings.backup),
      retryAttempts: START_ATTEMPTS,
      maxEventAge: START_WITHIN,
    }),
  });
}
