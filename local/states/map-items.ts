/** What a Map iterates over, what an iteration is given, and how many run at once. */

import type { StateOf } from './definition.ts';
import { QUERY_EVALUATION_ERROR, StateFailed } from './state-failed.ts';
import { evaluateCount, evaluateField, type Visit } from './visit.ts';

/** The array in Items, or the state's input when there is no such field. */
export async function itemsInState(state: StateOf<'Map'>, visit: Visit): Promise<readonly unknown[]> {
  const items = await evaluateField(visit, { name: 'Items', template: state.Items, otherwise: visit.input });
  if (Array.isArray(items)) return items;
  const seen = JSON.stringify(items)?.slice(0, 200);
  throw new StateFailed({
    error: QUERY_EVALUATION_ERROR,
    explanation: `${visit.stateName} iterates over an array, not over ${seen}`,
  });
}

/** What an iteration begins with: the item, or what ItemSelector makes of it. */
export async function iterationInput(state: StateOf<'Map'>, iteration: Visit): Promise<unknown> {
  const otherwise = iteration.frame.item?.value;
  return evaluateField(iteration, { name: 'ItemSelector', template: state.ItemSelector, otherwise });
}

/** MaxConcurrency, where 0 or nothing means as many as the service runs. */
export async function mapConcurrency(state: StateOf<'Map'>, visit: Visit, most: number): Promise<number> {
  const asked = await evaluateCount(visit, {
    name: 'MaxConcurrency',
    template: state.MaxConcurrency,
    otherwise: 0,
    least: 0,
    most: Number.MAX_SAFE_INTEGER,
    whole: true,
  });
  return asked === 0 ? most : Math.min(asked, most);
}
