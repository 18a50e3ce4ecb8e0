/** Everything that tells people how the backups do: the watch, the alarms with their topic, and the dashboard. */

import { Duration } from 'aws-cdk-lib';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { Topic } from 'aws-cdk-lib/aws-sns';
import type { IStateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { WATCH_HOURS } from '#lib/workflow/watch-points.ts';
import { alarms } from './alarms.ts';
import { dashboard } from './dashboard.ts';
import { notifications } from './notifications.ts';
import { runEndings } from './run-endings.ts';
import type { Settings } from './settings.ts';

export interface ObservabilityProps {
  readonly settings: Settings;
  readonly watch: IFunction;
  readonly backup: IStateMachine;
  readonly fleet: IStateMachine;
  readonly upkeep: IStateMachine;
  readonly restore: IStateMachine;
}

/** Answers with the topic that every alarm reports to. */
export function observability(scope: Construct, { settings, watch, ...workflows }: ObservabilityProps): Topic {
  const { backup, fleet, upkeep, restore } = workflows;
  new Rule(scope, 'Watch', {
    description: 'Blockferry looks for VMs without a recent restore point',
    schedule: Schedule.rate(Duration.hours(WATCH_HOURS)),
    targets: [new LambdaFunction(watch, { retryAttempts: 2, maxEventAge: Duration.hours(WATCH_HOURS) })],
  });
  const topic = notifications(scope, settings);
  runEndings(scope, { topic, backup, others: [fleet, upkeep, restore] });
  alarms(scope, { installation: settings.name, ...workflows, topic });
  dashboard(scope, settings.name, [backup, fleet]);
  return topic;
}
