/** What a check of the doctor found: one line each, with the cure where something is wrong. */

import type { Failure } from '#lib/failure.ts';

export type Finding =
  | { readonly state: 'ok'; readonly check: Check; readonly what: string }
  | { readonly state: 'warning' | 'failed'; readonly check: Check; readonly what: string; readonly cure: string };

export type Check =
  | 'certificate'
  | 'login'
  | 'role'
  | 'clock'
  | 'tracking'
  | 'nbd-network'
  | 'nbd-server'
  | 'space'
  | 'chain'
  | 'vault';

export const ok = (check: Check, what: string): Finding => ({ state: 'ok', check, what });

export const warning = (check: Check, what: string, cure: string): Finding => ({ state: 'warning', check, what, cure });

export const failed = (check: Check, what: string, cure: string): Finding => ({ state: 'failed', check, what, cure });

/** What the failure itself says about a remedy becomes the cure; the rest of its message is what was found. */
export function failedBy(check: Check, failure: Failure): Finding {
  const { cure } = failure.details;
  if (typeof cure === 'string') return failed(check, failure.message.replace(cure, '').trim(), cure);
  const time = failure.transient
    ? 'It may pass: run doctor again in some minutes.'
    : 'The message says what to change.';
  return failed(check, failure.message, time);
}
