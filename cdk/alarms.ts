/** What wakes somebody: one alarm per thing that can go wrong, each with a section of its name in docs/runbook.md. */

import { Duration } from 'aws-cdk-lib';
import {
  Alarm,
  ComparisonOperator,
  type IMetric,
  MathExpression,
  Metric,
  Stats,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { IStateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { INSTALLATION_DIMENSION, METRIC_NAMESPACE, type MetricName } from '#lib/workflow/metrics.ts';
import { WATCH_HOURS } from '#lib/workflow/watch-points.ts';

/** `act`: backups are missing or in danger. `look`: something is unusual, and the next backup may still succeed. */
type Severity = 'act' | 'look';

interface AlarmPlan {
  readonly severity: Severity;
  readonly what: string;
  readonly metric: IMetric;
  readonly threshold: number;
  /** Fires where a value falls below the threshold instead of where one reaches it. */
  readonly below?: true;
  /** A message that says more is sent anyway, one for each run: this alarm shows on the page and on EventBridge only. */
  readonly quiet?: true;
  /** Silence is a finding only where something reports all the time. */
  readonly silence?: 'breaching';
}

/** Share of an incrementally read VM that changed between two points: encryption by malware changes nearly all of it. */
const UNUSUAL_CHANGE_PERCENT = 50;
/** Time to order a certificate and to agree on an hour for the change. */
const EXPIRY_NOTICE_DAYS = 30;
const HOUR = Duration.hours(1);

export interface AlarmsProps {
  readonly installation: string;
  readonly backup: IStateMachine;
  readonly fleet: IStateMachine;
  readonly upkeep: IStateMachine;
  readonly restore: IStateMachine;
  readonly topic: ITopic;
}

/** Alarms are named `<installation>-<name>`; the name is the heading in the runbook. */
export function alarms(scope: Construct, props: AlarmsProps): void {
  for (const [name, plan] of Object.entries({ ...endAlarms(props), ...findingAlarms(props) })) {
    const alarm = new Alarm(scope, `Alarm-${name}`, {
      alarmName: `${props.installation}-${name}`,
      alarmDescription: `[${plan.severity}] ${plan.what} See "${name}" in docs/runbook.md.`,
      metric: plan.metric,
      threshold: plan.threshold,
      comparisonOperator: plan.below
        ? ComparisonOperator.LESS_THAN_THRESHOLD
        : ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      evaluationPeriods: 1,
      treatMissingData: plan.silence === 'breaching' ? TreatMissingData.BREACHING : TreatMissingData.NOT_BREACHING,
    });
    if (!plan.quiet) alarm.addAlarmAction(new SnsAction(props.topic));
  }
}

/** Of workflows that did not end well, or did not begin. */
function endAlarms({ backup, fleet, upkeep, restore }: AlarmsProps): Readonly<Record<string, AlarmPlan>> {
  return {
    'run-failed': {
      severity: 'act',
      what: 'A backup run ended without success.',
      metric: badEnds(backup),
      threshold: 1,
      quiet: true,
    },
    'fleet-incomplete': {
      severity: 'act',
      what: 'A policy ended with VMs that have no new restore point.',
      metric: badEnds(fleet),
      threshold: 1,
      quiet: true,
    },
    'schedule-dropped': {
      severity: 'act',
      what: 'A schedule could not start its policy.',
      metric: new Metric({
        namespace: 'AWS/Scheduler',
        metricName: 'InvocationDroppedCount',
        statistic: Stats.SUM,
        period: HOUR,
      }),
      threshold: 1,
    },
    'upkeep-failed': {
      severity: 'act',
      what: 'The daily upkeep ended without success, so nobody looked at the vault.',
      metric: badEnds(upkeep),
      threshold: 1,
      quiet: true,
    },
    'restore-failed': {
      severity: 'act',
      what: 'A restore ended without success; what it had made on the pool was taken away again.',
      metric: badEnds(restore),
      threshold: 1,
      quiet: true,
    },
  };
}

/** Of what the functions measure. */
function findingAlarms({ installation }: AlarmsProps): Readonly<Record<string, AlarmPlan>> {
  const own = (name: MetricName, statistic: string, period = HOUR) =>
    ownMetric(installation, { name, statistic, period });
  return {
    'no-recent-point': {
      severity: 'act',
      what: 'A VM has no restore point within the objective, or nobody has been looking.',
      // Three looks: one that fails must not be an alarm.
      metric: own('VmsWithoutRecentPoint', Stats.MAXIMUM, Duration.hours(3 * WATCH_HOURS)),
      threshold: 1,
      silence: 'breaching',
    },
    'certificate-changed': {
      severity: 'act',
      what: 'A host showed another certificate than the pinned one, so nothing was sent to it.',
      metric: own('CertificatesRefused', Stats.SUM),
      threshold: 1,
    },
    'certificate-expiring': {
      severity: 'act',
      what: `The certificate of a host runs out within ${EXPIRY_NOTICE_DAYS} days.`,
      metric: own('CertificateDaysLeft', Stats.MINIMUM),
      threshold: EXPIRY_NOTICE_DAYS,
      below: true,
    },
    'budget-passed': {
      severity: 'look',
      what: 'A run costs more than the budget of its policy.',
      metric: own('BudgetPassed', Stats.SUM),
      threshold: 1,
    },
    'verification-failed': {
      severity: 'act',
      what: 'Objects of the vault are not as they were written.',
      metric: own('VerificationFindings', Stats.MAXIMUM),
      threshold: 1,
    },
    'sweeper-found-leftovers': {
      severity: 'look',
      what: 'The sweep took away what a dead run had left.',
      metric: own('SweptObjects', Stats.SUM),
      threshold: 1,
    },
    'unexpected-full': {
      severity: 'look',
      what: 'A disk was read in full although it has a base.',
      metric: own('UnexpectedFulls', Stats.SUM),
      threshold: 1,
    },
    'leftovers-on-host': {
      severity: 'look',
      what: 'A run could not take everything off the host.',
      metric: own('LeftOnHost', Stats.SUM),
      threshold: 1,
    },
    'change-rate-unusual': {
      severity: 'look',
      what: `More than ${UNUSUAL_CHANGE_PERCENT} % of a VM changed between two restore points.`,
      metric: own('ChangedPercent', Stats.MAXIMUM),
      threshold: UNUSUAL_CHANGE_PERCENT,
    },
  };
}

export function ownMetric(
  installation: string,
  { name, statistic, period }: { name: MetricName; statistic: string; period: Duration },
): Metric {
  return new Metric({
    namespace: METRIC_NAMESPACE,
    metricName: name,
    dimensionsMap: { [INSTALLATION_DIMENSION]: installation },
    statistic,
    period,
  });
}

/** Step Functions reports each way to end in a metric of its own, and nothing where there was none. */
function badEnds(machine: IStateMachine): MathExpression {
  const during = { period: HOUR, statistic: Stats.SUM };
  return new MathExpression({
    expression: 'FILL(failed, 0) + FILL(timedOut, 0) + FILL(aborted, 0)',
    usingMetrics: {
      failed: machine.metricFailed(during),
      timedOut: machine.metricTimedOut(during),
      aborted: machine.metricAborted(during),
    },
    period: HOUR,
  });
}
