/** Runs the states of one block after the other: enter, work, assign, leave. */

import { attemptState } from './attempts.ts';
import type { State, StatesBlock } from './definition.ts';
import { runChoice, runFail, runPass, runSucceed, runWait } from './flow-states.ts';
import { MAX_PAYLOAD_BYTES, MAX_VARIABLES_BYTES } from './limits.ts';
import { runMap } from './map-state.ts';
import { runParallel } from './parallel-state.ts';
import { limitBytes, RUNTIME, StateFailed } from './state-failed.ts';
import { runTask } from './task-state.ts';
import { type Frame, type Outcome, type Scope, stopIfHalted, type Visit } from './visit.ts';

async function work(state: State, visit: Visit): Promise<Outcome> {
  switch (state.Type) {
    case 'Pass':
      return runPass(state, visit);
    case 'Succeed':
      return runSucceed(state, visit);
    case 'Fail':
      return runFail(state, visit);
    case 'Choice':
      return runChoice(state, visit);
    case 'Wait':
      return runWait(state, visit);
    case 'Task':
      return attemptState(state, visit, (attempt) => runTask(state, attempt));
    case 'Parallel':
      return attemptState(state, visit, (attempt) => runParallel(state, attempt));
    case 'Map':
      return attemptState(state, visit, (attempt) => runMap(state, attempt));
  }
}

function variablesOf(scope: Scope | undefined): unknown[] {
  return scope === undefined ? [] : [Object.fromEntries(scope.variables), ...variablesOf(scope.outer)];
}

function assignAll(frame: Frame, assign: Readonly<Record<string, unknown>>, stateName: string): void {
  limitBytes(assign, `Assign of ${stateName}`, MAX_PAYLOAD_BYTES);
  for (const [name, value] of Object.entries(assign)) frame.scope.variables.set(name, value);
  limitBytes(variablesOf(frame.scope), `the variables after ${stateName}`, MAX_VARIABLES_BYTES);
}

/** A Task's events are called TaskStateEntered, a Choice's ChoiceStateEntered, and so on. */
function isExitRecorded(state: State): boolean {
  return state.Type !== 'Fail';
}

async function visitState(state: State, visit: Visit): Promise<Outcome> {
  const { run } = visit.frame;
  const name = visit.stateName;
  run.record(`${state.Type}StateEntered`, { name, input: visit.input });
  run.countTransition();
  limitBytes(visit.input, `the input of ${name}`, MAX_PAYLOAD_BYTES);
  const outcome = await work(state, visit);
  limitBytes(outcome.output, `the output of ${name}`, MAX_PAYLOAD_BYTES);
  assignAll(visit.frame, outcome.assign, name);
  const assigned = Object.keys(outcome.assign).length === 0 ? {} : { assignedVariables: outcome.assign };
  if (isExitRecorded(state)) run.record(`${state.Type}StateExited`, { name, output: outcome.output, ...assigned });
  return outcome;
}

/** The output of the block's last state. Throws StateFailed, or WorkHalted when the frame's signal fires. */
export async function runBlock(block: StatesBlock, input: unknown, frame: Frame): Promise<unknown> {
  let stateName: string | undefined = block.StartAt;
  let current = input;
  // The quota of history events ends this loop: every state writes one when it is entered.
  while (stateName !== undefined) {
    stopIfHalted(frame.signal);
    const state: State | undefined = block.States[stateName];
    if (state === undefined) throw new StateFailed({ error: RUNTIME, explanation: `there is no state ${stateName}` });
    const enteredTime = frame.run.ports.clock.now();
    const outcome: Outcome = await visitState(state, { frame, stateName, input: current, enteredTime, retryCount: 0 });
    current = outcome.output;
    stateName = outcome.next;
  }
  // Whoever stopped the execution during its last state was told that it is stopped.
  stopIfHalted(frame.signal);
  return current;
}
