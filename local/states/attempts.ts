/**
 * The life of a state that may fail: attempts, pauses between them, and the catcher at the end.
 *
 *   work --ok--> Output, Assign --ok--> Next
 *     |              |
 *     +---- error ---+--> Retry: pause, work again
 *                    +--> Catch: its Output, its Assign --> its Next
 *                    +--> neither: the error leaves the state
 */

import type { GuardedState } from './definition.ts';
import { coversError, RetryBudget } from './retry.ts';
import { RUNTIME, StateFailed, WorkHalted } from './state-failed.ts';
import { leave, type Outcome, pause, stopIfHalted, type Visit } from './visit.ts';

/** Errors of the machinery itself (a port that throws) end the execution like the service's own faults. */
function asStateFailed(error: unknown): StateFailed {
  if (error instanceof StateFailed) return error;
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new StateFailed({ error: RUNTIME, explanation: text }, { cause: error });
}

async function caught(state: GuardedState, visit: Visit, failure: StateFailed): Promise<Outcome> {
  const catcher = state.Catch?.find(({ ErrorEquals }) => coversError(ErrorEquals, failure.error));
  if (catcher === undefined) throw failure;
  const errorOutput = { Error: failure.error, Cause: failure.explanation };
  const { Output, Assign, Next } = catcher;
  return leave(visit, { output: Output, otherwise: errorOutput, assign: Assign, next: Next }, { errorOutput });
}

/** Does the work of a state until it succeeds, is caught, or fails for good. Every repetition is a billed transition. */
export async function attemptState(
  state: GuardedState,
  visit: Visit,
  work: (attempt: Visit) => Promise<unknown>,
): Promise<Outcome> {
  const { run, signal } = visit.frame;
  const budget = new RetryBudget(state.Retry);
  // The budget ends the loop: every retrier has a finite MaxAttempts.
  for (let retryCount = 0; ; retryCount += 1) {
    const attempt = { ...visit, retryCount };
    try {
      const result = await work(attempt);
      const fields = { output: state.Output, otherwise: result, assign: state.Assign, next: state.Next };
      return await leave(attempt, fields, { result });
    } catch (error) {
      if (error instanceof WorkHalted) throw error;
      stopIfHalted(signal);
      const failure = asStateFailed(error);
      const delaySeconds = budget.spend(failure.error, () => run.ports.randomness.fraction());
      if (delaySeconds === undefined) return await caught(state, attempt, failure);
      await pause(visit.frame, delaySeconds);
      run.countTransition();
    }
  }
}
