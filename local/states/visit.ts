/** One visit of a state: where it happens, what it sees, and how it waits without outliving its execution. */

import type { MachineDefinition, StatesBlock } from './definition.ts';
import { type Bindings, evaluateTemplate } from './expressions.ts';
import type { EventDetails, HistoryEvent } from './history.ts';
import { stepFunctionsFunctions } from './jsonata-functions.ts';
import { MAX_SECONDS } from './limits.ts';
import type { WorkflowPorts } from './ports.ts';
import { QUERY_EVALUATION_ERROR, StateFailed, WorkHalted } from './state-failed.ts';

/** Variables are written by one scope and read by every scope inside it. */
export interface Scope {
  readonly variables: Map<string, unknown>;
  readonly outer: Scope | undefined;
}

/** Child executions as a state starts them: the inside of a distributed Map, or another state machine. */
export interface ChildStarter {
  startMapChild(child: MapChild, signal: AbortSignal): Promise<ChildEnd>;
  startMachine(child: MachineChild, signal: AbortSignal): Promise<ChildEnd>;
}
export interface MapChild {
  readonly definition: MachineDefinition;
  readonly mapRunArn: string;
  readonly input: unknown;
}
export interface MachineChild {
  readonly stateMachineArn: string;
  readonly name: string | undefined;
  readonly input: unknown;
}
/** What became of a child: the fields that DescribeExecution answers. */
export interface ChildEnd {
  readonly executionArn: string;
  readonly stateMachineArn: string;
  readonly name: string;
  readonly status: 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'ABORTED';
  readonly startDate: Date;
  readonly stopDate: Date | undefined;
  readonly input: unknown;
  readonly output: unknown;
  readonly error: string | undefined;
  readonly cause: string | undefined;
}

/** What all states of one execution share. */
export interface Run {
  readonly executionArn: string;
  readonly executionName: string;
  readonly stateMachineArn: string;
  readonly startTime: Date;
  readonly input: unknown;
  readonly ports: WorkflowPorts;
  readonly children: ChildStarter;
  record(type: string, details?: EventDetails): void;
  /** One more billed state transition. */
  countTransition(): void;
  /** Runs a block inside this execution: a branch or an iteration. */
  runBlock(block: StatesBlock, input: unknown, frame: Frame): Promise<unknown>;
  readonly events: readonly HistoryEvent[];
}

/** Where in the execution a block runs. */
export interface Frame {
  readonly run: Run;
  readonly scope: Scope;
  /** Fires when the block must end: a sibling failed, the machine timed out, the execution was stopped. */
  readonly signal: AbortSignal;
  readonly item: { readonly index: number; readonly value: unknown } | undefined;
}

/** One attempt at a state. */
export interface Visit {
  readonly frame: Frame;
  readonly stateName: string;
  readonly input: unknown;
  readonly enteredTime: Date;
  readonly retryCount: number;
}

/** What a finished state leaves behind; no `next` ends the block. */
export interface Outcome {
  readonly output: unknown;
  readonly assign: Readonly<Record<string, unknown>>;
  readonly next: string | undefined;
}

/** The parts of `$states` that exist only after the work: a result, or in a Catch the error. */
export type Produced = { readonly result: unknown } | { readonly errorOutput: unknown } | Record<string, never>;

function contextObject(visit: Visit): Readonly<Record<string, unknown>> {
  const { run, item } = visit.frame;
  return {
    Execution: {
      Id: run.executionArn,
      Name: run.executionName,
      Input: run.input,
      StartTime: run.startTime.toISOString(),
      RedriveCount: 0,
    },
    StateMachine: { Id: run.stateMachineArn, Name: run.stateMachineArn.split(':').at(-1) },
    State: { Name: visit.stateName, EnteredTime: visit.enteredTime.toISOString(), RetryCount: visit.retryCount },
    ...(item === undefined ? {} : { Map: { Item: { Index: item.index, Value: item.value } } }),
  };
}

function visibleVariables(scope: Scope): Record<string, unknown> {
  const outer = scope.outer === undefined ? {} : visibleVariables(scope.outer);
  return Object.assign(outer, Object.fromEntries(scope.variables));
}

function bindings(visit: Visit, produced: Produced): Bindings {
  return {
    ...stepFunctionsFunctions(visit.frame.run.ports.randomness),
    ...visibleVariables(visit.frame.scope),
    states: { input: visit.input, context: contextObject(visit), ...produced },
  };
}

/** A field of the state with its expressions evaluated, or `otherwise` when the state does not have the field. */
export async function evaluateField(
  visit: Visit,
  field: { name: string; template: unknown; otherwise?: unknown },
  produced: Produced = {},
): Promise<unknown> {
  if (field.template === undefined) return field.otherwise;
  return evaluateTemplate({ template: field.template, field: field.name }, bindings(visit, produced));
}

/** The whole number a field means. Throws States.QueryEvaluationError outside `least` to `most`. */
export async function evaluateCount(
  visit: Visit,
  field: { name: string; template: unknown; otherwise: number; least: number; most: number; whole: boolean },
): Promise<number> {
  const value = await evaluateField(visit, field);
  const inRange = typeof value === 'number' && value >= field.least && value <= field.most;
  if (inRange && (!field.whole || Number.isInteger(value))) return value;
  const wanted = `${field.whole ? 'an integer' : 'a number'} from ${field.least} to ${field.most}`;
  throw new StateFailed({
    error: QUERY_EVALUATION_ERROR,
    explanation: `${field.name} must be ${wanted}, not ${JSON.stringify(value)}`,
  });
}

/** Output and Assign see the same variables: what Assign sets is visible to the next state only. */
export async function leave(
  visit: Visit,
  fields: {
    output: unknown;
    otherwise: unknown;
    assign: Record<string, unknown> | undefined;
    next: string | undefined;
  },
  produced: Produced = {},
): Promise<Outcome> {
  const output = await evaluateField(
    visit,
    { name: 'Output', template: fields.output, otherwise: fields.otherwise },
    produced,
  );
  const assign: [string, unknown][] = [];
  for (const [name, template] of Object.entries(fields.assign ?? {})) {
    assign.push([name, await evaluateField(visit, { name: `Assign.${name}`, template }, produced)]);
  }
  return { output, assign: Object.fromEntries(assign), next: fields.next };
}

/** Throws when the work around this frame is over. */
export function stopIfHalted(signal: AbortSignal): void {
  if (signal.aborted) throw haltedBy(signal);
}

function haltedBy(signal: AbortSignal): Error {
  return signal.reason instanceof Error
    ? signal.reason
    : new WorkHalted('the execution ended', { cause: signal.reason });
}

/** The promise, or the signal's reason when it fires first. The promise itself goes on and its end is ignored. */
export async function unlessHalted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(haltedBy(signal));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort);
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Waits as a Wait state or a retry does, which a test or a demo may shorten. */
export async function pause(frame: Frame, seconds: number): Promise<void> {
  const { clock, waitFactor = 1 } = frame.run.ports;
  await clock.sleep(Math.min(seconds, MAX_SECONDS) * 1000 * waitFactor, frame.signal);
}
