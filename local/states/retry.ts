/** Which retrier or catcher an error belongs to, and how long to wait before the next attempt. */

import type { Retrier } from './definition.ts';
import { DATA_LIMIT_EXCEEDED, RUNTIME, TIMEOUT } from './state-failed.ts';

/** Errors that end the execution whatever Retry and Catch say. */
const TERMINAL: readonly string[] = [DATA_LIMIT_EXCEEDED, RUNTIME];

/** Defaults of the language. */
const DEFAULT_INTERVAL_SECONDS = 1;
const DEFAULT_MAX_ATTEMPTS = 3;
const DEFAULT_BACKOFF_RATE = 2;

/** Whether a list of error names covers this error: States.TaskFailed stands for everything but a time-out. */
export function coversError(errorEquals: readonly string[], error: string): boolean {
  if (TERMINAL.includes(error)) return false;
  return errorEquals.some(
    (name) => name === error || name === 'States.ALL' || (name === 'States.TaskFailed' && error !== TIMEOUT),
  );
}

/** Seconds before attempt `attempt` (from 1) of a retrier; `fraction` is a random number from 0 to below 1. */
export function retryDelaySeconds(retrier: Retrier, attempt: number, fraction: number): number {
  const interval = retrier.IntervalSeconds ?? DEFAULT_INTERVAL_SECONDS;
  const grown = interval * (retrier.BackoffRate ?? DEFAULT_BACKOFF_RATE) ** (attempt - 1);
  const capped = Math.min(grown, retrier.MaxDelaySeconds ?? Number.POSITIVE_INFINITY);
  return retrier.JitterStrategy === 'FULL' ? capped * fraction : capped;
}

/** Counts the attempts of one visit to a state; every retrier has its own count, however the errors alternate. */
export class RetryBudget {
  readonly #retriers: readonly Retrier[];
  readonly #used = new Map<Retrier, number>();

  constructor(retriers: readonly Retrier[] = []) {
    this.#retriers = retriers;
  }

  /** Seconds to wait before trying again, or undefined when the error stands. */
  spend(error: string, fraction: () => number): number | undefined {
    const retrier = this.#retriers.find((candidate) => coversError(candidate.ErrorEquals, error));
    if (retrier === undefined) return undefined;
    const attempt = (this.#used.get(retrier) ?? 0) + 1;
    if (attempt > (retrier.MaxAttempts ?? DEFAULT_MAX_ATTEMPTS)) return undefined;
    this.#used.set(retrier, attempt);
    return retryDelaySeconds(retrier, attempt, fraction());
  }
}
