/** The metrics that CloudWatch finds in the logs of functions, and those that the alarms of the template look at. */

import assert from 'node:assert/strict';
import { resolved, synthesize } from '../cdk/installation.ts';

export interface EmittedMetric {
  /** Namespace, name and dimensions, as CloudWatch tells metrics apart. */
  readonly series: string;
  readonly value: number;
}

/** Of lines that are records of the embedded metric format; other lines hold none. */
export function metricsIn(lines: readonly string[]): EmittedMetric[] {
  return lines
    .filter((line) => line.startsWith('{"_aws"'))
    .flatMap((line) => {
      const record = JSON.parse(line);
      const [{ Namespace, Dimensions, Metrics }] = record._aws.CloudWatchMetrics;
      const dimensions = Dimensions[0].map((name: string) => `${name}=${record[name]}`);
      return Metrics.map(({ Name }: { Name: string }) => {
        assert.equal(typeof record[Name], 'number', `${Name} has a value`);
        return { series: [Namespace, Name, ...dimensions].join(' '), value: record[Name] };
      });
    });
}

interface AlarmProperties {
  readonly Namespace?: string;
  readonly MetricName?: string;
  readonly Dimensions?: readonly { readonly Name: string; readonly Value: unknown }[];
}

/** What alarms look at of what the functions emit; the rest AWS measures itself. */
export function watchedByAlarms(): string[] {
  const found = Object.values(synthesize().pipeline.findResources('AWS::CloudWatch::Alarm'));
  return found.flatMap(({ Properties }) => {
    const { Namespace, MetricName, Dimensions = [] }: AlarmProperties = Properties;
    if (Namespace === undefined || Namespace.startsWith('AWS/')) return [];
    return [[Namespace, MetricName, ...Dimensions.map(({ Name, Value }) => `${Name}=${resolved(Value)}`)].join(' ')];
  });
}
