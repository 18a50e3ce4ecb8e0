/** Estimate and actual of one run side by side. */

import type { RunEstimate } from './estimate.ts';
import { paidOnce, type RunCost } from './run-cost.ts';

/** Below this a difference is that of rounding and of the day's network. */
const WORTH_EXPLAINING = 0.2;

export interface Difference {
  readonly estimatedDollars: number;
  readonly actualDollars: number;
  /** The term that differs most, when the sums differ by more than 20 %. */
  readonly explanation?: string;
}

/** Compares what was measured; the steps around the readers are left out of both sums where they were not. */
export function compareRun({ terms }: RunEstimate, actual: RunCost): Difference {
  const pairs = [
    { name: 'readers', estimated: terms.readers.dollars, measured: actual.readers.dollars },
    ...(actual.control === undefined
      ? []
      : [{ name: 'control', estimated: terms.control.dollars, measured: actual.control.dollars }]),
    { name: 'workflow', estimated: terms.workflow.dollars, measured: actual.workflow.dollars },
    { name: 'requests', estimated: terms.requests.dollars, measured: actual.requests.dollars },
  ];
  const estimatedDollars = pairs.reduce((sum, { estimated }) => sum + estimated, 0);
  const actualDollars = paidOnce(actual);
  const gap = ({ estimated, measured }: (typeof pairs)[number]) => Math.abs(measured - estimated);
  const [largest] = pairs.toSorted((a, b) => gap(b) - gap(a));
  const share = Math.abs(actualDollars - estimatedDollars) / Math.max(estimatedDollars, Number.MIN_VALUE);
  if (largest === undefined || share <= WORTH_EXPLAINING) return { estimatedDollars, actualDollars };
  return {
    estimatedDollars,
    actualDollars,
    explanation: `mostly ${largest.name}: $${largest.measured.toFixed(5)} measured, $${largest.estimated.toFixed(5)} estimated`,
  };
}
