/** A Task: calls a function or another state machine, and translates how it ended into the error names of the service. */

import * as z from 'zod/mini';
import type { StateOf } from './definition.ts';
import { MAX_PAYLOAD_BYTES, MAX_SECONDS } from './limits.ts';
import type { FunctionAnswer } from './ports.ts';
import { limitBytes, RUNTIME, StateFailed, TASK_FAILED, TIMEOUT, WorkHalted } from './state-failed.ts';
import { type ChildEnd, evaluateCount, evaluateField, unlessHalted, type Visit } from './visit.ts';

interface Integration {
  /** Service and action as the history names them. */
  readonly resource: string;
  call(parameters: unknown, visit: Visit, signal: AbortSignal): Promise<unknown>;
}

const lambdaParameters = z.strictObject({
  FunctionName: z.string(),
  Payload: z.optional(z.unknown()),
});
const startParameters = z.strictObject({
  StateMachineArn: z.string(),
  Name: z.optional(z.string()),
  Input: z.optional(z.unknown()),
});

function parseParameters<Schema extends z.ZodMiniType>(schema: Schema, parameters: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(parameters, { error: z.locales.en().localeError });
  if (parsed.success) return parsed.data;
  throw new StateFailed({
    error: RUNTIME,
    explanation: `the task's Arguments are wrong:\n${z.prettifyError(parsed.error)}`,
  });
}

/** The payload of a successful invocation; everything else becomes the error that Retry and Catch see. */
function payloadOf(answer: FunctionAnswer): unknown {
  switch (answer.kind) {
    case 'success':
      return answer.payload;
    case 'error': {
      const { errorType, errorMessage, trace } = answer;
      throw new StateFailed({ error: errorType, explanation: JSON.stringify({ errorType, errorMessage, trace }) });
    }
    case 'refused':
      throw new StateFailed({ error: `Lambda.${answer.name}`, explanation: answer.message });
  }
}

const lambdaInvoke: Integration = {
  resource: 'lambda:invoke',
  call: async (parameters, visit, signal) => {
    const { FunctionName, Payload } = parseParameters(lambdaParameters, parameters);
    const invocation = visit.frame.run.ports.functions.invoke(FunctionName, Payload ?? {});
    const payload = payloadOf(await unlessHalted(invocation, signal));
    return { ExecutedVersion: '$LATEST', Payload: payload, StatusCode: 200 };
  },
};

/** The short form: the function's ARN is the resource, the arguments are the payload. */
function lambdaByArn(functionArn: string): Integration {
  return {
    resource: functionArn,
    call: async (parameters, visit, signal) =>
      payloadOf(await unlessHalted(visit.frame.run.ports.functions.invoke(functionArn, parameters), signal)),
  };
}

/** What DescribeExecution answers, with times in seconds as the service hands them to a state. */
function described(end: ChildEnd): Readonly<Record<string, unknown>> {
  return {
    ExecutionArn: end.executionArn,
    StateMachineArn: end.stateMachineArn,
    Name: end.name,
    Status: end.status,
    StartDate: end.startDate.getTime() / 1000,
    ...(end.stopDate === undefined ? {} : { StopDate: end.stopDate.getTime() / 1000 }),
    Input: end.input,
    ...(end.output === undefined ? {} : { Output: end.output }),
    ...(end.error === undefined ? {} : { Error: end.error }),
    ...(end.cause === undefined ? {} : { Cause: end.cause }),
  };
}

const startExecutionAndWait: Integration = {
  resource: 'states:startExecution.sync:2',
  call: async (parameters, visit, signal) => {
    const { StateMachineArn, Name, Input } = parseParameters(startParameters, parameters);
    const child = { stateMachineArn: StateMachineArn, name: Name, input: Input ?? {} };
    const end = await visit.frame.run.children.startMachine(child, signal);
    if (end.status !== 'SUCCEEDED')
      throw new StateFailed({ error: TASK_FAILED, explanation: JSON.stringify(described(end)) });
    return described(end);
  },
};

function integrationOf(resource: string): Integration {
  if (/^arn:[^:]+:lambda:/.test(resource)) return lambdaByArn(resource);
  const [, action] = /^arn:[^:]+:states:::(.+)$/.exec(resource) ?? [];
  if (action === lambdaInvoke.resource) return lambdaInvoke;
  if (action === startExecutionAndWait.resource) return startExecutionAndWait;
  throw new StateFailed({
    error: RUNTIME,
    explanation: `${resource} does not run here; a Task may use lambda:invoke, a function's ARN or states:startExecution.sync:2`,
  });
}

/** Races the call against TimeoutSeconds; whichever loses is told through the signal. */
async function callBeforeTimeout(
  visit: Visit,
  seconds: number,
  call: (signal: AbortSignal) => Promise<unknown>,
): Promise<unknown> {
  const { run, signal } = visit.frame;
  const race = new AbortController();
  const raceSignal = AbortSignal.any([signal, race.signal]);
  const expire = async (): Promise<never> => {
    await run.ports.clock.sleep(seconds * 1000, raceSignal);
    throw new StateFailed({ error: TIMEOUT, explanation: `${visit.stateName} did not end within ${seconds} s` });
  };
  try {
    return await Promise.race([call(raceSignal), expire()]);
  } finally {
    race.abort(new WorkHalted('the task is decided'));
  }
}

async function timeoutSeconds(state: StateOf<'Task'>, visit: Visit): Promise<number | undefined> {
  if (state.TimeoutSeconds === undefined) return undefined;
  const limits = { otherwise: MAX_SECONDS, least: 1, most: MAX_SECONDS, whole: true };
  return evaluateCount(visit, { name: 'TimeoutSeconds', template: state.TimeoutSeconds, ...limits });
}

/** One attempt. Writes TaskScheduled, TaskStarted and how it ended; answers `$states.result`. */
export async function runTask(state: StateOf<'Task'>, visit: Visit): Promise<unknown> {
  const { run, signal } = visit.frame;
  const integration = integrationOf(state.Resource);
  const parameters = await evaluateField(visit, {
    name: 'Arguments',
    template: state.Arguments,
    otherwise: visit.input,
  });
  limitBytes(parameters, `Arguments of ${visit.stateName}`, MAX_PAYLOAD_BYTES);
  const seconds = await timeoutSeconds(state, visit);
  const { resource } = integration;
  run.record('TaskScheduled', { resource, parameters });
  run.record('TaskStarted', { resource });
  try {
    const call = (callSignal: AbortSignal): Promise<unknown> => integration.call(parameters, visit, callSignal);
    const result = seconds === undefined ? await call(signal) : await callBeforeTimeout(visit, seconds, call);
    limitBytes(result, `the result of ${visit.stateName}`, MAX_PAYLOAD_BYTES);
    run.record('TaskSucceeded', { resource, output: result });
    return result;
  } catch (error) {
    recordFailure(visit, resource, error);
    throw error;
  }
}

function recordFailure(visit: Visit, resource: string, error: unknown): void {
  if (!(error instanceof StateFailed)) return;
  const type = error.error === TIMEOUT ? 'TaskTimedOut' : 'TaskFailed';
  visit.frame.run.record(type, { resource, error: error.error, cause: error.explanation });
}
