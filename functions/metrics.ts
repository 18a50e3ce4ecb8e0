/**
 * Measurements as CloudWatch finds them in a function's log: one line of JSON in the embedded metric format, no endpoint,
 * no request, no wait. Written here because Powertools' part for it would add 16 kB to every bundle.
 */

import {
  INSTALLATION_DIMENSION,
  METRIC_NAMESPACE,
  METRICS,
  type MeasuredRun,
  type Measurements,
  type MetricName,
} from '#lib/workflow/metrics.ts';

export type Measure = (measurements: Measurements, about?: MeasuredRun) => void;

export interface MetricLog {
  readonly installation: string;
  readonly write: (line: string) => void;
  readonly now: () => Date;
}

const names = Object.keys(METRICS).filter((name): name is MetricName => name in METRICS);

export function embeddedMetrics({ installation, write, now }: MetricLog): Measure {
  return (measurements, about) => {
    const measured = names.filter((name) => measurements[name] !== undefined);
    if (measured.length === 0) return;
    const directive = {
      Namespace: METRIC_NAMESPACE,
      Dimensions: [[INSTALLATION_DIMENSION]],
      Metrics: measured.map((name) => ({ Name: name, Unit: METRICS[name] })),
    };
    const head = { _aws: { Timestamp: now().getTime(), CloudWatchMetrics: [directive] } };
    write(`${JSON.stringify({ ...head, [INSTALLATION_DIMENSION]: installation, ...about, ...measurements })}\n`);
  };
}
