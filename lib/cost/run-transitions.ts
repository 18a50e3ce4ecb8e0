/**
 * State transitions of a backup run, counted from the shape of its workflow and the calls of its steps: a test plays runs
 * and counts the states that they enter.
 */

/** One call of a step: that answered, or that failed and was tried again. */
export interface StepCall {
  readonly step: string;
  readonly answered: boolean;
}

interface Reading {
  readonly shards: number;
  /** That ended with a receipt. */
  readonly readerCalls: number;
}

/** backup, anything-changed, and the commit-point that writes the point. */
const AROUND_READERS = 3;
/** The map itself; a run without changes goes past it. */
const MAP = 1;
/** read-shard and shard-done. */
const EACH_CALL = 2;
/** shard-read. */
const EACH_SHARD = 1;
/** point-committed, committed; verdict, succeeded. */
const ENDING = 4;

/** Up to the commit-point that writes the point; `calls` are those before it that left no receipt. */
export function runTransitionsToPoint(calls: readonly StepCall[], { shards, readerCalls }: Reading): number {
  const looped = loop(calls, 'snapshot-disks');
  const tried = calls.filter(({ step }) => step !== 'snapshot-disks').length;
  return AROUND_READERS + looped + tried + (shards > 0 ? MAP : 0) + EACH_CALL * readerCalls + EACH_SHARD * shards;
}

/** From there on: `calls` are those of release-host and, one or more, of commit-point. */
export function runTransitionsAfterPoint(calls: readonly StepCall[]): number {
  const commits = calls.filter(({ step }) => step === 'commit-point').length;
  // The first of them is the call that wrote the point.
  return ENDING + Math.max(0, commits - 1) + loop(calls, 'release-host');
}

/** A step, its choice after every answer, and the pause before every further call. */
function loop(calls: readonly StepCall[], name: string): number {
  const own = calls.filter(({ step }) => step === name);
  const answers = own.filter(({ answered }) => answered).length;
  return own.length + answers + Math.max(0, answers - 1);
}

const PLAIN_CALLS: readonly StepCall[] = ['snapshot-disks', 'split-extents'].map((step) => ({ step, answered: true }));
const PLAIN_ENDING: readonly StepCall[] = ['commit-point', 'release-host'].map((step) => ({ step, answered: true }));

/** A run that never waits for its host and tries nothing again. */
export function runTransitions(reading: Reading): number {
  return runTransitionsToPoint(PLAIN_CALLS, reading) + runTransitionsAfterPoint(PLAIN_ENDING);
}
