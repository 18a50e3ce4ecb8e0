/**
 * What the client repeats by itself. Everything else is left to the workflow, which waits without paying for it and
 * knows what the call was for.
 *
 * | failure | read | change |
 * |---|---|---|
 * | HostUnreachable | repeat | repeat: nothing was sent |
 * | AnswerLost | repeat | leave: the host may have done it |
 * | AnswerOverdue | leave | leave: repeating would triple a long silence |
 * | SessionLost | log in again, once | log in again, once: the host did nothing |
 */

import { AnswerLost, HostUnreachable, SessionLost } from './failures.ts';

/** A `read` changes nothing on the host; a `change` does, or starts a task that does. */
export type CallKind = 'read' | 'change';

export type RetryDecision =
  | { readonly kind: 'repeat'; readonly pauseMs: number }
  | { readonly kind: 'log-in-again' }
  | { readonly kind: 'leave' };

export interface FailedAttempt {
  readonly failure: unknown;
  readonly callKind: CallKind;
  /** How many times the call was repeated already because of a connection. */
  readonly repeats: number;
  /** Whether the call was repeated already with a new session. */
  readonly loggedInAgain: boolean;
}

/** Two repeats outlast a toolstack's dropped connections, not its restart, which takes a minute. */
const PAUSES_MS: readonly number[] = [500, 2_000];

/** A call repeats at most twice for its connection and once for its session. */
export const MAX_ATTEMPTS = 1 + PAUSES_MS.length + 1;

export function decideRetry(attempt: FailedAttempt): RetryDecision {
  const { failure } = attempt;
  if (failure instanceof SessionLost) return { kind: attempt.loggedInAgain ? 'leave' : 'log-in-again' };
  const repeatable =
    failure instanceof HostUnreachable || (failure instanceof AnswerLost && attempt.callKind === 'read');
  const pauseMs = PAUSES_MS[attempt.repeats];
  return repeatable && pauseMs !== undefined ? { kind: 'repeat', pauseMs } : { kind: 'leave' };
}
