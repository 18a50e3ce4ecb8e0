/** The states that only steer: Pass, Choice, Wait, Succeed, Fail. They have neither Retry nor Catch. */

import type { StateOf } from './definition.ts';
import { MAX_SECONDS } from './limits.ts';
import { QUERY_EVALUATION_ERROR, StateFailed } from './state-failed.ts';
import { evaluateCount, evaluateField, leave, type Outcome, pause, type Visit } from './visit.ts';

export async function runPass(state: StateOf<'Pass'>, visit: Visit): Promise<Outcome> {
  return leave(visit, { output: state.Output, otherwise: visit.input, assign: state.Assign, next: state.Next });
}

export async function runSucceed(state: StateOf<'Succeed'>, visit: Visit): Promise<Outcome> {
  return leave(visit, { output: state.Output, otherwise: visit.input, assign: undefined, next: undefined });
}

/** The first rule that holds decides; Output and Assign of the state itself belong to Default. */
export async function runChoice(state: StateOf<'Choice'>, visit: Visit): Promise<Outcome> {
  for (const [index, rule] of state.Choices.entries()) {
    const name = `Choices[${index}].Condition`;
    const holds = await evaluateField(visit, { name, template: rule.Condition });
    if (typeof holds !== 'boolean') {
      throw new StateFailed({
        error: QUERY_EVALUATION_ERROR,
        explanation: `${name} must be true or false, not ${JSON.stringify(holds)}`,
      });
    }
    if (holds) {
      return leave(visit, { output: rule.Output, otherwise: visit.input, assign: rule.Assign, next: rule.Next });
    }
  }
  if (state.Default === undefined) {
    throw new StateFailed({
      error: 'States.NoChoiceMatched',
      explanation: `no rule of ${visit.stateName} holds and it has no Default`,
    });
  }
  return leave(visit, { output: state.Output, otherwise: visit.input, assign: state.Assign, next: state.Default });
}

async function secondsToWait(state: StateOf<'Wait'>, visit: Visit): Promise<number> {
  if (state.Seconds !== undefined) {
    const field = { name: 'Seconds', template: state.Seconds, otherwise: 0, least: 0, most: MAX_SECONDS, whole: true };
    return evaluateCount(visit, field);
  }
  const text = await evaluateField(visit, { name: 'Timestamp', template: state.Timestamp });
  const until = typeof text === 'string' ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(until)) {
    throw new StateFailed({
      error: QUERY_EVALUATION_ERROR,
      explanation: `Timestamp must be an RFC 3339 time, not ${JSON.stringify(text)}`,
    });
  }
  return Math.max(0, (until - visit.frame.run.ports.clock.now().getTime()) / 1000);
}

export async function runWait(state: StateOf<'Wait'>, visit: Visit): Promise<Outcome> {
  await pause(visit.frame, await secondsToWait(state, visit));
  return leave(visit, { output: state.Output, otherwise: visit.input, assign: state.Assign, next: state.Next });
}

async function text(visit: Visit, name: string, template: string | undefined): Promise<string> {
  const value = await evaluateField(visit, { name, template, otherwise: '' });
  if (typeof value === 'string') return value;
  throw new StateFailed({
    error: QUERY_EVALUATION_ERROR,
    explanation: `${name} must be a string, not ${JSON.stringify(value)}`,
  });
}

export async function runFail(state: StateOf<'Fail'>, visit: Visit): Promise<never> {
  throw new StateFailed({
    error: await text(visit, 'Error', state.Error),
    explanation: await text(visit, 'Cause', state.Cause),
  });
}
