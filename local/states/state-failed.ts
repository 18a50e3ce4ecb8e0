/** The errors of a running execution, by the names that Retry and Catch know. */

import { Failure } from '#lib/failure.ts';

/** A state ended with an error: `error` is the name Retry and Catch compare, `explanation` is what ASL calls Cause. */
export class StateFailed extends Failure {
  static override readonly failureName = 'StateFailed';

  readonly error: string;
  readonly explanation: string;

  constructor(what: { error: string; explanation: string }, options: { cause?: unknown } = {}) {
    super(`${what.error}: ${what.explanation}`, options);
    this.error = what.error;
    this.explanation = what.explanation;
  }
}

/** Somebody else ended this work: a sibling failed, the machine timed out, or the execution was stopped. */
export class WorkHalted extends Failure {
  static override readonly failureName: string = 'WorkHalted';
}

export const QUERY_EVALUATION_ERROR = 'States.QueryEvaluationError';
export const DATA_LIMIT_EXCEEDED = 'States.DataLimitExceeded';
export const RUNTIME = 'States.Runtime';
export const TIMEOUT = 'States.Timeout';
export const TASK_FAILED = 'States.TaskFailed';

/** Refuses a value that does not fit the service's payload quota; `what` says whose value it is. */
export function limitBytes(value: unknown, what: string, maxBytes: number): void {
  const bytes = Buffer.byteLength(JSON.stringify(value) ?? '');
  if (bytes <= maxBytes) return;
  throw new StateFailed({
    error: DATA_LIMIT_EXCEEDED,
    explanation: `${what} has ${bytes} bytes, more than the ${maxBytes} that Step Functions carries; keep it in S3 and pass the key`,
  });
}
