/** A fleet run every day at the same time of its own time zone. */

import { Duration, TimeZone } from 'aws-cdk-lib';
import { Schedule, ScheduleExpression, ScheduleTargetInput } from 'aws-cdk-lib/aws-scheduler';
import { StepFunctionsStartExecution } from 'aws-cdk-lib/aws-scheduler-targets';
import type { IStateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { fleetInputOf } from '#lib/workflow/fleet-input.ts';
import type { PolicySettings } from './settings.ts';

/** The scheduler's default is 185 attempts in 24 hours: a backup that late would meet the next one. */
const START_ATTEMPTS = 5;
const START_WITHIN = Duration.hours(1);

export function policySchedule(scope: Construct, machine: IStateMachine, policy: PolicySettings): Schedule {
  const [hour = '0', minute = '0'] = policy.at.split(':');
  return new Schedule(scope, `Daily-${policy.name}`, {
    description: `Blockferry policy ${policy.name}`,
    schedule: ScheduleExpression.cron({
      hour: String(Number(hour)),
      minute: String(Number(minute)),
      timeZone: TimeZone.of(policy.timezone),
    }),
    target: new StepFunctionsStartExecution(machine, {
      input: ScheduleTargetInput.fromObject(fleetInputOf(policy)),
      retryAttempts: START_ATTEMPTS,
      maxEventAge: START_WITHIN,
    }),
  });
}
