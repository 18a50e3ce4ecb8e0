/** Measurements as CloudWatch finds them in a function's log (EMF): no endpoint, no request, no wait. */

import { Metrics } from '@aws-lambda-powertools/metrics';
import { METRIC_NAMESPACE, METRICS, type Measurements, type MetricName } from '#lib/workflow/metrics.ts';

export type Measure = (measurements: Measurements) => void;

const names = Object.keys(METRICS).filter((name): name is MetricName => name in METRICS);

/** The installation, which is the dimension, comes from POWERTOOLS_SERVICE_NAME of the function's environment. */
export function embeddedMetrics(metrics = new Metrics({ namespace: METRIC_NAMESPACE })): Measure {
  return (measurements) => {
    for (const name of names) {
      const value = measurements[name];
      if (value !== undefined) metrics.addMetric(name, METRICS[name], value);
    }
    metrics.publishStoredMetrics();
  };
}
