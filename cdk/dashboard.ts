/** One page that shows what the backups of the last weeks did. */

import { Duration } from 'aws-cdk-lib';
import { Dashboard, GraphWidget, type IMetric, Stats } from 'aws-cdk-lib/aws-cloudwatch';
import type { IStateMachine } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import type { MetricName } from '#lib/workflow/metrics.ts';
import { ownMetric } from './alarms.ts';

/** A Lambda function in a VPC moves 625 Mbit/s each way, whatever its memory: 74.5 MiB/s. */
const READER_LIMIT_MIB_PER_SECOND = 74.5;
const DAY = Duration.days(1);

export function dashboard(scope: Construct, installation: string, machines: readonly IStateMachine[]): Dashboard {
  const own = (name: MetricName, statistic: string) => ownMetric(installation, { name, statistic, period: DAY });
  const graph = (title: string, left: IMetric[], limit?: number) =>
    new GraphWidget({
      title,
      width: 12,
      left,
      leftYAxis: { min: 0 },
      leftAnnotations: limit === undefined ? [] : [{ value: limit, label: 'limit of one function' }],
    });
  const page = new Dashboard(scope, 'Dashboard', { defaultInterval: Duration.days(30) });
  page.addWidgets(
    graph(
      'Ends of runs',
      machines.flatMap((machine) => [machine.metricSucceeded({ period: DAY }), machine.metricFailed({ period: DAY })]),
    ),
    graph('VMs without a recent restore point', [own('VmsWithoutRecentPoint', Stats.MAXIMUM)]),
    graph('Bytes each day', [
      own('ChangedBytes', Stats.SUM),
      own('StoredBytes', Stats.SUM),
      own('ZeroBytes', Stats.SUM),
      own('UnchangedBytes', Stats.SUM),
    ]),
    graph('Changed share of a VM, highest, in percent', [own('ChangedPercent', Stats.MAXIMUM)]),
    graph(
      'MiB/s of one reader',
      [own('ReaderMibPerSecond', Stats.AVERAGE), own('ReaderMibPerSecond', Stats.MAXIMUM)],
      READER_LIMIT_MIB_PER_SECOND,
    ),
    graph('Retries, unexpected fulls, leftovers', [
      own('Retries', Stats.SUM),
      own('UnexpectedFulls', Stats.SUM),
      own('LeftOnHost', Stats.SUM),
    ]),
  );
  return page;
}
