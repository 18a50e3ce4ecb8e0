/** A Parallel: every branch gets the same input, the result is the array of their outputs. */

import { runBounded } from './bounded.ts';
import type { StateOf } from './definition.ts';
import { MAX_PAYLOAD_BYTES } from './limits.ts';
import { limitBytes, StateFailed } from './state-failed.ts';
import { evaluateField, type Visit } from './visit.ts';

/** One attempt; answers `$states.result`. */
export async function runParallel(state: StateOf<'Parallel'>, visit: Visit): Promise<unknown> {
  const { run, scope, signal } = visit.frame;
  const input = await evaluateField(visit, { name: 'Arguments', template: state.Arguments, otherwise: visit.input });
  run.record('ParallelStateStarted', { name: visit.stateName });
  try {
    const bound = { concurrency: state.Branches.length, signal };
    const outputs = await runBounded(state.Branches, bound, (branch, _index, branchSignal) =>
      run.runBlock(branch, input, {
        ...visit.frame,
        scope: { variables: new Map(), outer: scope },
        signal: branchSignal,
      }),
    );
    limitBytes(outputs, `the result of ${visit.stateName}`, MAX_PAYLOAD_BYTES);
    run.record('ParallelStateSucceeded', { name: visit.stateName });
    return outputs;
  } catch (error) {
    if (error instanceof StateFailed) {
      run.record('ParallelStateFailed', { name: visit.stateName, error: error.error, cause: error.explanation });
    }
    throw error;
  }
}
