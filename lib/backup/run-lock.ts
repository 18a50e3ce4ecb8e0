/** The locks that a run puts on what it writes, as its plan asks for them. */

import type { RunPlan } from '#lib/format/plan.ts';
import { keptAtFirstUntil, longestKeptUntil } from '#lib/retention/kept-until.ts';
import { type RetentionPolicy, retentionPolicy } from '#lib/retention/policy.ts';
import type { LockMode, ObjectLock } from '#lib/store/object-lock.ts';

const SECOND_MS = 1000;

/** What a policy of the settings, or whoever starts a run, says of locks. */
export interface LockRule {
  readonly mode: LockMode;
  readonly retention: RetentionPolicy;
}

/** By the setting of the vault; a run that no policy asked for locks for as long as every policy keeps points. */
export function lockRule(
  setting: 'off' | 'governance' | 'compliance',
  retention: RetentionPolicy = retentionPolicy.parse({}),
): LockRule | undefined {
  if (setting === 'off') return undefined;
  return { mode: setting === 'compliance' ? 'COMPLIANCE' : 'GOVERNANCE', retention };
}

/** Undefined for a run whose vault does not lock. */
export function lockRuleOf({ lock }: Pick<RunPlan, 'lock'>): LockRule | undefined {
  return lock && { mode: lock.mode, retention: retentionPolicy.parse(lock.retention) };
}

/**
 * The lock of an object when it is written, as an option of the put; nothing for a run that does not lock. It holds as
 * long as any point is certain to stay. What then belongs to no point is free after that time.
 */
export function lockAtFirst(rule: LockRule | undefined, now: Date): { readonly lock?: ObjectLock } {
  return rule === undefined ? {} : { lock: lockUntil(rule, keptAtFirstUntil(now, rule.retention)) };
}

/**
 * The lock of a ledger entry. Entries are never let go and later ones build on them, so each is locked for the longest
 * time that the rules can keep a point of its day.
 */
export function lockOfEntry(rule: LockRule | undefined, time: Date): { readonly lock?: ObjectLock } {
  return rule === undefined ? {} : { lock: lockUntil(rule, longestKeptUntil(time, rule.retention)) };
}

/** S3 keeps whole seconds: a lock must not end a fraction too early. */
export function lockUntil({ mode }: Pick<LockRule, 'mode'>, until: Date): ObjectLock {
  return { mode, until: new Date(Math.ceil(until.getTime() / SECOND_MS) * SECOND_MS) };
}
