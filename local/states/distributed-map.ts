/**
 * A distributed Map: items from the state or from S3, one child execution each, results in the state or in S3.
 *
 *   ItemReader / Items -> ItemSelector -> child executions, at most MaxConcurrency -> ResultWriter / result array
 *                                             |
 *                                             +-- too many failed: the rest is aborted, the Map Run fails
 */

import { runBounded } from './bounded.ts';
import type { StateOf } from './definition.ts';
import { readItems } from './item-reader.ts';
import { MAX_DISTRIBUTED_CONCURRENCY } from './limits.ts';
import { itemsInState, iterationInput, mapConcurrency } from './map-items.ts';
import { resultOf } from './result-writer.ts';
import { StateFailed, WorkHalted } from './state-failed.ts';
import { type ChildEnd, evaluateCount, type Visit } from './visit.ts';

const EXCEEDED = 'States.ExceedToleratedFailureThreshold';

/** Counts failed children and says when there are too many. */
class FailureThreshold {
  readonly #mostFailures: number;
  #failures = 0;

  constructor(limits: { count: number | undefined; percentage: number | undefined; items: number }) {
    const byPercentage = (limits.items * (limits.percentage ?? 0)) / 100;
    // A threshold that is not given does not tighten the other one; with none at all nothing is tolerated.
    const given = [limits.count, limits.percentage === undefined ? undefined : byPercentage];
    this.#mostFailures = Math.min(...given.filter((limit) => limit !== undefined), ...(given.some(isGiven) ? [] : [0]));
  }

  countFailure(end: ChildEnd): void {
    this.#failures += 1;
    if (this.#failures <= this.#mostFailures) return;
    const last = `${end.name} ended ${end.status}: ${end.error ?? ''} ${end.cause ?? ''}`.trim();
    throw new StateFailed({
      error: EXCEEDED,
      explanation: `${this.#failures} child executions failed or timed out; the last one: ${last}`,
    });
  }
}

function isGiven(limit: number | undefined): boolean {
  return limit !== undefined;
}

async function toleratedFailures(state: StateOf<'Map'>, visit: Visit, items: number): Promise<FailureThreshold> {
  const evaluate = async (name: 'ToleratedFailureCount' | 'ToleratedFailurePercentage', most: number) => {
    const template = state[name];
    if (template === undefined) return undefined;
    const whole = name === 'ToleratedFailureCount';
    return evaluateCount(visit, { name, template, otherwise: 0, least: 0, most, whole });
  };
  const count = await evaluate('ToleratedFailureCount', Number.MAX_SAFE_INTEGER);
  const percentage = await evaluate('ToleratedFailurePercentage', 100);
  return new FailureThreshold({ count, percentage, items });
}

/** Names the Map Run: `arn:…:mapRun:<machine>/<label>:<uuid>`. */
function newMapRunArn(state: StateOf<'Map'>, visit: Visit): string {
  const { run, stateName } = { run: visit.frame.run, stateName: visit.stateName };
  const label = state.Label ?? stateName.replaceAll(/[^A-Za-z0-9_-]/g, '');
  return `${run.stateMachineArn.replace(':stateMachine:', ':mapRun:')}/${label}:${run.ports.randomness.uuid()}`;
}

/** One attempt; a retry of the state starts a new Map Run with all items, as the service does. */
export async function runDistributedMap(state: StateOf<'Map'>, visit: Visit): Promise<unknown> {
  const { run } = visit.frame;
  const concurrency = await mapConcurrency(state, visit, MAX_DISTRIBUTED_CONCURRENCY);
  run.record('MapStateStarted', { name: visit.stateName });
  const items = state.ItemReader === undefined ? await itemsInState(state, visit) : await readItems(state, visit);
  const threshold = await toleratedFailures(state, visit, items.length);
  const mapRunArn = newMapRunArn(state, visit);
  run.record('MapRunStarted', { name: visit.stateName, mapRunArn, length: items.length });
  try {
    const ends = await runChildren(state, visit, { items, concurrency, threshold, mapRunArn });
    const result = await resultOf(state, visit, { mapRunArn, ends });
    run.record('MapRunSucceeded', { mapRunArn });
    return result;
  } catch (error) {
    if (error instanceof StateFailed) {
      run.record('MapRunFailed', { mapRunArn, error: error.error, cause: error.explanation });
    }
    throw error;
  }
}

interface MapRun {
  readonly items: readonly unknown[];
  readonly concurrency: number;
  readonly threshold: FailureThreshold;
  readonly mapRunArn: string;
}

async function runChildren(state: StateOf<'Map'>, visit: Visit, mapRun: MapRun): Promise<readonly ChildEnd[]> {
  const { run, signal } = visit.frame;
  const { ProcessorConfig: _, ...block } = state.ItemProcessor;
  const definition = { ...block, QueryLanguage: 'JSONata' as const };
  return runBounded(mapRun.items, { concurrency: mapRun.concurrency, signal }, async (value, index, childSignal) => {
    const iteration = { ...visit, frame: { ...visit.frame, item: { index, value } } };
    const input = await iterationInput(state, iteration);
    const child = { definition, mapRunArn: mapRun.mapRunArn, input };
    const end = await run.children.startMapChild(child, childSignal);
    if (end.status === 'ABORTED') throw new WorkHalted(`${end.executionArn} was aborted`);
    if (end.status !== 'SUCCEEDED') mapRun.threshold.countFailure(end);
    return end;
  });
}
