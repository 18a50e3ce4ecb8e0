/** The run's name, derived from its execution so that every retry of every step agrees on it. */

import { hash } from 'node:crypto';
import { parseRunId, type RunId } from '#lib/units.ts';

/** `execution` is the ARN of a Step Functions execution, or any name that is unique to the run. */
export function runIdOf(execution: string): RunId {
  return parseRunId(hash('sha256', execution, 'hex').slice(0, 16));
}
