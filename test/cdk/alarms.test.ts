import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { embeddedMetrics } from '#functions/metrics.ts';
import type { VmPoint } from '#lib/format/point.ts';
import { lateVms } from '#lib/observe/late-vms.ts';
import { measurementsOf } from '#lib/observe/point-measurements.ts';
import type { Measurements } from '#lib/workflow/metrics.ts';
import { MemoryBucket } from '../fakes/memory-store.ts';
import { resolved, synthesize } from './installation.ts';

interface AlarmMetric {
  readonly Id: string;
  readonly Expression?: string;
  readonly MetricStat?: {
    readonly Metric: Omit<AlarmProperties, 'AlarmName'>;
    readonly Stat: string;
  };
}
interface AlarmProperties {
  readonly AlarmName: string;
  readonly AlarmDescription: string;
  readonly AlarmActions?: readonly unknown[];
  readonly Namespace?: string;
  readonly MetricName?: string;
  readonly Dimensions?: readonly { readonly Name: string; readonly Value: unknown }[];
  readonly Statistic?: 'Sum' | 'Maximum' | 'Minimum';
  readonly Metrics?: readonly AlarmMetric[];
  readonly Threshold: number;
  readonly ComparisonOperator: 'GreaterThanOrEqualToThreshold' | 'LessThanThreshold';
  readonly TreatMissingData: 'breaching' | 'notBreaching';
}

const { pipeline } = synthesize();
const alarms = new Map(
  Object.values(pipeline.findResources('AWS::CloudWatch::Alarm')).map(({ Properties }) => [
    (Properties.AlarmName as string).replace(/^blockferry-/, ''),
    Properties as AlarmProperties,
  ]),
);

/** One value of a metric, under the name by which CloudWatch keeps it. */
interface Datum {
  readonly series: string;
  readonly value: number;
}

const seriesOf = (of: Pick<AlarmProperties, 'Namespace' | 'MetricName' | 'Dimensions'>): string =>
  [of.Namespace, of.MetricName, ...(of.Dimensions ?? []).map(({ Name, Value }) => `${Name}=${resolved(Value)}`)].join(
    ' ',
  );

/** What CloudWatch would make of the data of one period. */
function fires(name: string, data: readonly Datum[]): boolean {
  const alarm = alarms.get(name) ?? assert.fail(`there is no alarm ${name}`);
  const value = alarm.Metrics === undefined ? aggregated(alarm, data) : evaluated(alarm.Metrics, data);
  if (value === undefined) return alarm.TreatMissingData === 'breaching';
  return alarm.ComparisonOperator === 'LessThanThreshold' ? value < alarm.Threshold : value >= alarm.Threshold;
}

function aggregated(of: AlarmProperties, data: readonly Datum[]): number | undefined {
  const values = data.filter(({ series }) => series === seriesOf(of)).map(({ value }) => value);
  if (values.length === 0) return undefined;
  switch (of.Statistic) {
    case 'Sum':
      return values.reduce((sum, value) => sum + value, 0);
    case 'Minimum':
      return Math.min(...values);
    default:
      return Math.max(...values);
  }
}

/** Sums of `FILL(id, 0)`: a series without data counts as 0 once any of them has data. */
function evaluated(metrics: readonly AlarmMetric[], data: readonly Datum[]): number | undefined {
  const expression = metrics.find(({ Expression }) => Expression !== undefined)?.Expression ?? '';
  const parts = metrics
    .filter(({ MetricStat }) => MetricStat !== undefined)
    .map(({ Id, MetricStat }) => {
      assert.equal(MetricStat?.Stat, 'Sum');
      return { Id, found: data.filter(({ series }) => series === seriesOf(MetricStat.Metric)) };
    });
  assert.equal(expression, parts.map(({ Id }) => `FILL(${Id}, 0)`).join(' + '));
  const found = parts.flatMap((part) => part.found);
  return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
}

/** What CloudWatch finds in the log of a function, written by the code that is deployed. */
function emitted(measurements: Measurements): Datum[] {
  const lines: string[] = [];
  const now = () => new Date('2026-11-21T12:00:00Z');
  embeddedMetrics({ installation: 'blockferry', write: (line) => lines.push(line), now })(measurements);
  return lines.flatMap((line) => {
    const record = JSON.parse(line);
    const [{ Namespace, Dimensions, Metrics }] = record._aws.CloudWatchMetrics;
    const dimensions = Dimensions[0].map((name: string) => `${name}=${record[name]}`);
    return Metrics.map(({ Name }: { Name: string }) => ({
      series: [Namespace, Name, ...dimensions].join(' '),
      value: record[Name],
    }));
  });
}

const ended = (machine: string, metric: string): Datum[] => [
  {
    series: `AWS/States ${metric} StateMachineArn=${machine}`,
    value: 1,
  },
];
const BACKUP = 'arn:aws:states:us-east-1:123456789012:stateMachine:backup';

function point(disk: object): VmPoint {
  const grains = { dataGrains: 1, zeroGrains: 2, unchangedGrains: 3 };
  const whole = { kind: 'incremental', diskBytes: 1_000, plannedBytes: 10, storedBytes: 5, ...grains, ...disk };
  return { disks: [whole], measured: { nbdBytes: 1_048_576, readerMs: 500, nbdRequests: 1 } } as unknown as VmPoint;
}
const full = (because: string) => emitted(measurementsOf(point({ kind: 'full', full: { because, cure: '' } })));

async function watched(ageHours: number | undefined): Promise<Datum[]> {
  const store = new MemoryBucket().store();
  const now = new Date('2026-11-21T12:00:00Z');
  if (ageHours !== undefined) {
    const time = new Date(now.getTime() - ageHours * 3_600_000).toISOString().replace(/[-:]|\.\d{3}/g, '');
    await store.put(`vms/5f0e4a3c-0b1d-4c2e-9f3a-6b7c8d9e0f1a/points/${time}-0123456789abcdef.json`, Buffer.from('{}'));
  }
  const { late } = await lateVms(store, { now, objectiveHours: 26 });
  return emitted({ VmsWithoutRecentPoint: late.length });
}

/** For each alarm the data that has to fire it, and data that must not. */
const cases: Record<string, { fire: (Datum[] | Promise<Datum[]>)[]; rest: (Datum[] | Promise<Datum[]>)[] }> = {
  'run-failed': {
    fire: ['ExecutionsFailed', 'ExecutionsTimedOut', 'ExecutionsAborted'].map((metric) => ended(BACKUP, metric)),
    rest: [[], ended(BACKUP, 'ExecutionsSucceeded')],
  },
  'fleet-incomplete': {
    fire: ['ExecutionsFailed', 'ExecutionsTimedOut', 'ExecutionsAborted'].map((metric) =>
      ended('REF:FleetStateMachine', metric),
    ),
    rest: [[], ended(BACKUP, 'ExecutionsFailed')],
  },
  // Nothing at all: the function that looks is gone, or its rule is.
  'no-recent-point': { fire: [[], watched(undefined), watched(27)], rest: [watched(25)] },
  'schedule-dropped': {
    fire: [[{ series: 'AWS/Scheduler InvocationDroppedCount', value: 1 }]],
    rest: [[]],
  },
  'certificate-changed': { fire: [emitted({ CertificatesRefused: 1 })], rest: [[]] },
  'certificate-expiring': {
    fire: [-1, 29].map((days) => emitted({ CertificateDaysLeft: days })),
    rest: [[], emitted({ CertificateDaysLeft: 30 })],
  },
  'budget-passed': { fire: [emitted({ BudgetPassed: 1 })], rest: [[], emitted({ ChangedBytes: 1 })] },
  'verification-failed': {
    fire: [emitted({ VerificationFindings: 1 })],
    rest: [[], emitted({ VerificationFindings: 0 })],
  },
  'upkeep-failed': {
    fire: ['ExecutionsFailed', 'ExecutionsTimedOut', 'ExecutionsAborted'].map((metric) =>
      ended('REF:UpkeepStateMachine', metric),
    ),
    rest: [[], ended(BACKUP, 'ExecutionsFailed')],
  },
  'restore-failed': {
    fire: ['ExecutionsFailed', 'ExecutionsTimedOut', 'ExecutionsAborted'].map((metric) =>
      ended('REF:RestoreStateMachine', metric),
    ),
    rest: [[], ended(BACKUP, 'ExecutionsFailed')],
  },
  'sweeper-found-leftovers': { fire: [emitted({ SweptObjects: 3 })], rest: [[], emitted({ SweptObjects: 0 })] },
  'unexpected-full': {
    fire: [full('chain-broken')],
    rest: [[], full('first-backup'), emitted(measurementsOf(point({})))],
  },
  'leftovers-on-host': { fire: [emitted({ LeftOnHost: 2 })], rest: [[], emitted({ LeftOnHost: 0 })] },
  'change-rate-unusual': {
    fire: [emitted(measurementsOf(point({ plannedBytes: 600 })))],
    rest: [[], emitted(measurementsOf(point({ plannedBytes: 400 }))), full('first-backup')],
  },
};

for (const [name, { fire, rest }] of Object.entries(cases)) {
  test(`${name} fires on what it is for and rests otherwise`, async () => {
    for (const data of await Promise.all(fire)) assert.equal(fires(name, data), true, JSON.stringify(data));
    for (const data of await Promise.all(rest)) assert.equal(fires(name, data), false, JSON.stringify(data));
  });
}

/** Alarms that send no mail, because a message of their own tells of every run that ended badly. */
const QUIET = ['run-failed', 'fleet-incomplete', 'upkeep-failed', 'restore-failed'];

test('every alarm is fired by a test, reports to the topic, and has a section in the runbook', () => {
  const runbook = readFileSync(new URL('../../docs/runbook.md', import.meta.url), 'utf8');
  const sections = [...runbook.matchAll(/^## (.+)$/gm)].map(([, title]) => title);
  assert.deepEqual([...alarms.keys()].sort(), Object.keys(cases).sort());
  assert.deepEqual([...alarms.keys()].sort(), sections.sort());
  for (const [name, { AlarmActions, AlarmDescription }] of alarms) {
    assert.equal(AlarmActions?.length ?? 0, QUIET.includes(name) ? 0 : 1, name);
    assert.match(AlarmDescription, /^\[(act|look)\] .*docs\/runbook\.md\.$/);
  }
});

test('one restore point tells bytes, rates and causes', () => {
  assert.deepEqual(measurementsOf(point({})), {
    ChangedBytes: 10,
    StoredBytes: 5,
    ZeroBytes: 131_072,
    UnchangedBytes: 196_608,
    Retries: 0,
    UnexpectedFulls: 0,
    ChangedPercent: 1,
    ReaderMibPerSecond: 2,
  });
});
