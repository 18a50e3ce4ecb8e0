/** Runs many pieces of work with a bound on how many are in flight, ending the rest when one fails. */

import { WorkHalted } from './state-failed.ts';

interface Bound {
  readonly concurrency: number;
  /** The signal of the work around; each piece gets one that fires with it and when a sibling fails. */
  readonly signal: AbortSignal;
}

/**
 * The results in the order of the items. After the first failure no further item begins, those in flight are told
 * through their signal, and the failure is thrown when all of them have ended.
 */
export async function runBounded<Item, Result>(
  items: readonly Item[],
  bound: Bound,
  work: (item: Item, index: number, signal: AbortSignal) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const siblings = new AbortController();
  const signal = AbortSignal.any([bound.signal, siblings.signal]);
  const failures: unknown[] = [];
  const queue = items.entries();
  const lane = async (): Promise<void> => {
    for (const [index, item] of queue) {
      if (signal.aborted) return;
      try {
        results[index] = await work(item, index, signal);
      } catch (error) {
        failures.push(error);
        siblings.abort(new WorkHalted('a sibling failed', { cause: error }));
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(bound.concurrency, items.length) }, lane));
  if (failures.length > 0) throw failures[0];
  bound.signal.throwIfAborted();
  return results;
}
