/** A Map whose iterations run inside the execution, and what both kinds of Map have in common. */

import { runBounded } from './bounded.ts';
import { isDistributed, type StateOf } from './definition.ts';
import { runDistributedMap } from './distributed-map.ts';
import { MAX_INLINE_CONCURRENCY, MAX_PAYLOAD_BYTES } from './limits.ts';
import { itemsInState, iterationInput, mapConcurrency } from './map-items.ts';
import { limitBytes, StateFailed } from './state-failed.ts';
import type { Visit } from './visit.ts';

/** One attempt; answers `$states.result`. */
export async function runMap(state: StateOf<'Map'>, visit: Visit): Promise<unknown> {
  const work = isDistributed(state) ? runDistributedMap : runInlineMap;
  const { run } = visit.frame;
  try {
    const result = await work(state, visit);
    limitBytes(result, `the result of ${visit.stateName}`, MAX_PAYLOAD_BYTES);
    run.record('MapStateSucceeded', { name: visit.stateName });
    return result;
  } catch (error) {
    if (error instanceof StateFailed) {
      run.record('MapStateFailed', { name: visit.stateName, error: error.error, cause: error.explanation });
    }
    throw error;
  }
}

async function runInlineMap(state: StateOf<'Map'>, visit: Visit): Promise<unknown> {
  const { run, signal } = visit.frame;
  const items = await itemsInState(state, visit);
  const concurrency = await mapConcurrency(state, visit, MAX_INLINE_CONCURRENCY);
  run.record('MapStateStarted', { name: visit.stateName, length: items.length });
  return runBounded(items, { concurrency, signal }, async (value, index, iterationSignal) => {
    const iteration = { ...visit, frame: { ...visit.frame, item: { index, value }, signal: iterationSignal } };
    return runIteration(state, iteration, index);
  });
}

async function runIteration(state: StateOf<'Map'>, iteration: Visit, index: number): Promise<unknown> {
  const { run, scope } = iteration.frame;
  const name = iteration.stateName;
  run.record('MapIterationStarted', { name, index });
  try {
    const input = await iterationInput(state, iteration);
    const inner = { ...iteration.frame, scope: { variables: new Map(), outer: scope } };
    const output = await run.runBlock(state.ItemProcessor, input, inner);
    run.record('MapIterationSucceeded', { name, index });
    return output;
  } catch (error) {
    const failed = error instanceof StateFailed;
    const details = failed ? { error: error.error, cause: error.explanation } : {};
    run.record(failed ? 'MapIterationFailed' : 'MapIterationAborted', { name, index, ...details });
    throw error;
  }
}
