/**
 * Object Lock, in the words of S3: until a moment a version of an object can be neither removed nor replaced for good. A
 * later version or a delete marker may still be put on top of it.
 */

/**
 * GOVERNANCE: whoever has a right of its own may lift the lock; Blockferry never has it and never asks for it.
 * COMPLIANCE: nobody can before the time has come, the owner of the account included.
 */
export type LockMode = 'GOVERNANCE' | 'COMPLIANCE';

export interface ObjectLock {
  readonly mode: LockMode;
  readonly until: Date;
}

/** The stricter mode and the later time of both: what a lock becomes that is to hold at least as `wanted` says. */
export function extendedLock(held: ObjectLock | undefined, wanted: ObjectLock): ObjectLock {
  if (held === undefined) return wanted;
  const mode = held.mode === 'COMPLIANCE' ? held.mode : wanted.mode;
  return { mode, until: new Date(Math.max(held.until.getTime(), wanted.until.getTime())) };
}

/** Whether a lock that is `held` keeps the object at least as `wanted` says. */
export function holdsAsWanted(held: ObjectLock | undefined, wanted: ObjectLock): boolean {
  if (held === undefined || held.until < wanted.until) return false;
  return held.mode === wanted.mode || held.mode === 'COMPLIANCE';
}
