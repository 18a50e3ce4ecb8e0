/** What every step does around its use case: parse, keep time, run, check the answer, log one line, let no secret out. */

import * as z from 'zod/mini';
import { runIdOf } from '#lib/backup/run-id.ts';
import { Failure } from '#lib/failure.ts';
import { NbdCertificateMismatch } from '#lib/nbd/failures.ts';
import type { StepContract } from '#lib/workflow/contract.ts';
import { InvalidConfiguration, InvalidInput, InvalidOutput, StepOutOfTime } from '#lib/workflow/failures.ts';
import { HostCertificateMismatch } from '#lib/xapi/failures.ts';
import { jsonLog, type Log } from './log-line.ts';
import { embeddedMetrics, type Measure } from './metrics.ts';
import { Scrubber } from './scrubber.ts';
import { errorFields, transferable } from './transferable-error.ts';

/**
 * How long before its sandbox is killed a step is told to stop. Closing NBD connections and releasing what is held are
 * a few round trips to the host; a step that is killed instead leaves them to time out there.
 */
const STOP_BEFORE_KILL_MS = 5_000;

/** The time a step has: at `deadline` its sandbox is about to be killed, and `signal` fires. */
export interface StepTime {
  readonly deadline: Date;
  readonly signal: AbortSignal;
}

/** The part of Lambda's context that is used. */
export interface LambdaContext {
  readonly awsRequestId: string;
  getRemainingTimeInMillis(): number;
}

type StepRun<Input extends z.ZodMiniType, Output extends z.ZodMiniType> = (
  input: z.output<Input>,
  time: StepTime,
) => Promise<z.input<Output>>;

/** What a step is given beside its environment. */
export interface StepTools {
  readonly scrubber: Scrubber;
  readonly measure: Measure;
}

export interface StepSurroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
  readonly measure: Measure;
}

/**
 * A Lambda handler that answers as the contract says or rejects with an error whose name is a failure name. Only name
 * and message travel on: a stack or a cause could quote what a host or a credential contained.
 */
export function stepHandler<
  Input extends z.ZodMiniType,
  Output extends z.ZodMiniType,
  Environment extends z.ZodMiniType,
>(
  contract: StepContract<Input, Output, Environment>,
  /** Called at a sandbox's first event: makes the clients that later events use again. */
  start: (environment: z.output<Environment>, tools: StepTools) => StepRun<Input, Output>,
  { environment, log, measure }: StepSurroundings = lambdaSurroundings(),
): (event: unknown, context: LambdaContext) => Promise<z.output<Output>> {
  const scrubber = new Scrubber();
  let run: StepRun<Input, Output> | undefined;
  return async (event, context) => {
    const startedMs = performance.now();
    const coldStart = run === undefined;
    const fields = { step: contract.name, ...runOf(event), requestId: context.awsRequestId, coldStart };
    const took = () => ({ ...fields, durationMs: Math.round(performance.now() - startedMs) });
    try {
      run ??= start(parsed(contract.environment, environment, configurationFailure(contract)), { scrubber, measure });
      const step = run;
      const input = parsed(contract.input, event, inputFailure(contract));
      const answer = await inTime(context, (time) => step(input, time));
      const output = parsed(contract.output, answer, outputFailure(contract));
      log('info', 'step-succeeded', { ...took(), output });
      return output;
    } catch (error) {
      log('error', 'step-failed', { ...took(), ...errorFields(error, scrubber) });
      if (isCertificateFailure(error)) measure({ CertificatesRefused: 1 });
      throw transferable(error, scrubber);
    }
  };
}

/** Runs with a signal that fires before the sandbox is killed; what the step then rejects with becomes StepOutOfTime. */
async function inTime<Answer>(context: LambdaContext, run: (time: StepTime) => Promise<Answer>): Promise<Answer> {
  const remainingMs = Math.max(0, context.getRemainingTimeInMillis() - STOP_BEFORE_KILL_MS);
  const outOfTime = new StepOutOfTime(
    `The step was told to stop after ${remainingMs} ms, shortly before its time limit`,
  );
  const controller = new AbortController();
  // The step itself is not raced: work that goes on behind a finished answer would wake up inside the next event.
  const timer = setTimeout(() => controller.abort(outOfTime), remainingMs);
  try {
    return await run({ deadline: new Date(Date.now() + remainingMs), signal: controller.signal });
  } catch (error) {
    if (controller.signal.aborted && !(error instanceof Failure)) {
      throw new StepOutOfTime(outOfTime.message, { cause: error });
    }
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

const ofRun = z.object({ runId: z.optional(z.string()), execution: z.optional(z.string()) });

/** By this the lines of one run are found among those of all runs. */
function runOf(event: unknown): { readonly run?: string } {
  const { data } = ofRun.safeParse(event);
  const run = data?.execution === undefined ? data?.runId : runIdOf(data.execution);
  return run === undefined ? {} : { run };
}

type Complaint = (issues: readonly z.core.$ZodIssue[]) => Failure;

function parsed<Schema extends z.ZodMiniType>(schema: Schema, value: unknown, complaint: Complaint): z.output<Schema> {
  const result = schema.safeParse(value);
  if (!result.success) throw complaint(result.error.issues);
  return result.data;
}

const inputFailure =
  ({ name }: StepContract): Complaint =>
  (issues) =>
    new InvalidInput(`${name} cannot work with its input: ${described(issues)}; correct what started the run`);

const outputFailure =
  ({ name }: StepContract): Complaint =>
  (issues) =>
    new InvalidOutput(`${name} answered against its contract: ${described(issues)}; this is a defect of Blockferry`);

const configurationFailure =
  ({ name }: StepContract): Complaint =>
  (issues) =>
    new InvalidConfiguration(`${name} is deployed with a wrong environment: ${described(issues)}; deploy it again`);

/** Fields and what is wrong with each, never a value: a wrong value may be a secret in the wrong place. */
function described(issues: readonly z.core.$ZodIssue[]): string {
  return issues
    .map((issue) => {
      const expected = 'expected' in issue ? `, expected ${issue.expected}` : '';
      const keys = issue.code === 'unrecognized_keys' ? ` ${issue.keys.join(', ')}` : '';
      return `${issue.path.join('.') || 'the whole'} (${issue.code}${keys}${expected})`;
    })
    .join('; ');
}

/** Somebody replaced a host's certificate, or answers in the host's place: worth an alarm of its own. */
function isCertificateFailure(error: unknown): boolean {
  return error instanceof HostCertificateMismatch || error instanceof NbdCertificateMismatch;
}

function lambdaSurroundings(): StepSurroundings {
  // Lambda wraps what the console prints; CloudWatch recognises a line of metrics, and Lambda a level, only bare.
  const write = (line: string) => process.stdout.write(line);
  const now = () => new Date();
  return {
    environment: process.env,
    log: jsonLog({ write: { info: write, error: (line) => process.stderr.write(line) }, now }),
    measure: embeddedMetrics({ installation: process.env['INSTALLATION'] ?? '', write, now }),
  };
}
