/** A task state built from a step's contract: its name, its payload, its time limit, what is tried again and how often. */

import { Duration } from 'aws-cdk-lib';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { JitterType, type RetryProps, TaskInput, Timeout } from 'aws-cdk-lib/aws-stepfunctions';
import { LambdaInvoke } from 'aws-cdk-lib/aws-stepfunctions-tasks';
import type { Construct } from 'constructs';
import type * as z from 'zod/mini';
import { type PayloadOf, type StepContract, WHOLE_INPUT } from '#lib/workflow/contract.ts';
import { StepOutOfTime } from '#lib/workflow/failures.ts';

/** The state outlives the function by this much, so that the function's own end is the one that is seen. */
const TASK_MARGIN_SECONDS = 30;

/** Errors of the Lambda service itself. Throttling is among them: a fleet shares the account's concurrency. */
const LAMBDA_SERVICE = [
  'Lambda.ServiceException',
  'Lambda.AWSLambdaException',
  'Lambda.SdkClientException',
  'Lambda.ClientExecutionTimeoutException',
  'Lambda.TooManyRequestsException',
];

/**
 * What a sandbox that was killed is reported as, by time, by memory or by its own end; which of the names appears has
 * changed with the runtimes. Every step may run twice, so one more try is safe; a defect ends the run after two.
 */
const KILLED_SANDBOX = [
  'Sandbox.Timedout',
  'Runtime.ExitError',
  'Runtime.OutOfMemory',
  'Lambda.Unknown',
  'States.Timeout',
  StepOutOfTime.failureName,
];

/** 10 tries between 30 s and 5 min: about half an hour in which the host can finish what occupies it. */
const PATIENT = { interval: Duration.seconds(30), backoffRate: 1.5, maxDelay: Duration.minutes(5), maxAttempts: 10 };
/** 6 tries between 2 s and 1 min: up to two minutes, the length of a failover or of a reboot of a switch. */
const PROMPT = { interval: Duration.seconds(2), backoffRate: 2, maxDelay: Duration.minutes(1), maxAttempts: 6 };
const TWICE = { interval: Duration.seconds(5), backoffRate: 2, maxDelay: Duration.minutes(1), maxAttempts: 2 };

export interface StepTaskProps<Input extends z.ZodMiniType> {
  readonly contract: StepContract<Input>;
  readonly function: IFunction;
  /** Of the state, where the step's own name is taken: names are unique in a workflow. */
  readonly state?: string;
  /** Variables that get a value when the step has succeeded. */
  readonly assign?: Readonly<Record<string, string>>;
  /** A JSONata expression for each field of the step's input. */
  readonly payload: PayloadOf<Input> | typeof WHOLE_INPUT;
}

/** The state answers with the function's answer alone. */
export function stepTask<Input extends z.ZodMiniType>(scope: Construct, props: StepTaskProps<Input>): LambdaInvoke {
  const { contract, payload } = props;
  const task = LambdaInvoke.jsonata(scope, props.state ?? contract.name, {
    lambdaFunction: props.function,
    payload: payload === WHOLE_INPUT ? TaskInput.fromText(WHOLE_INPUT) : TaskInput.fromObject({ ...payload }),
    outputs: '{% $states.result.Payload %}',
    ...(props.assign === undefined ? {} : { assign: { ...props.assign } }),
    taskTimeout: Timeout.duration(Duration.seconds(contract.timeoutSeconds + TASK_MARGIN_SECONDS)),
    // The construct's own retry would be added unseen to the list below.
    retryOnServiceExceptions: false,
  });
  for (const retry of retriesOf(contract)) task.addRetry(retry);
  return task;
}

/** Allow-lists throughout: a failure that is in none of them ends the run at once. */
function retriesOf(contract: StepContract): RetryProps[] {
  const named = [
    { errors: contract.occupied.map(({ failureName }) => failureName), ...PATIENT },
    { errors: contract.transient.map(({ failureName }) => failureName), ...PROMPT },
    { errors: LAMBDA_SERVICE, ...PROMPT },
    { errors: KILLED_SANDBOX, ...TWICE },
  ];
  // Full jitter spreads readers that were turned away together.
  return named
    .filter(({ errors }) => errors.length > 0)
    .map((retry) => ({ ...retry, jitterStrategy: JitterType.FULL }));
}
