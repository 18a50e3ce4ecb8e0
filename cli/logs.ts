/** blockferry logs: what happened in an execution, step by step, with what its functions wrote meanwhile. */

import type { HistoryEvent } from '@aws-sdk/client-sfn';
import type { Command } from 'commander';
import * as z from 'zod/mini';
import { runIdOf } from '#lib/backup/run-id.ts';
import { FunctionLogs, type LogLine } from '#lib/executions/function-logs.ts';
import type { ExecutionReport } from '#lib/executions/workflow-service.ts';
import { formatTime } from './console-text.ts';
import { addInstallationOptions, type InstallationOptions, openService } from './installation-options.ts';
import { knownExecution } from './known-execution.ts';

interface LogsOptions extends InstallationOptions {
  readonly functions: boolean;
}

/** Lines reach CloudWatch seconds after they were written, and the clocks of two services may differ. */
const MARGIN_MS = 60_000;

export function addLogs(program: Command): void {
  addInstallationOptions(program.command('logs'))
    .argument('<execution>', 'ARN or name of the execution')
    .description('show what happened in an execution on AWS, step by step, and what its functions wrote')
    .option('--no-functions', 'the events of the workflow alone')
    .addHelpText(
      'after',
      '\nExample:\n  blockferry logs arn:aws:states:eu-central-1:123456789012:execution:blockferry-backup:a1b2\n',
    )
    .action(logs);
}

/** Workflows whose steps name the run in every line, also those that run in executions of their own. */
const WITH_RUN_ID = ['backup', 'restore'];

/** Something that happened, as a line for people and as it came. */
interface Happening {
  readonly time: Date;
  readonly text: string;
  readonly raw: unknown;
}

async function logs(execution: string, options: LogsOptions): Promise<void> {
  using service = openService(options);
  const report = await knownExecution(service, options.installation, execution);
  const events: HistoryEvent[] = [];
  for await (const event of service.history(report.arn)) events.push(event);
  const written = options.functions ? await functionLines(report, events, options) : [];
  const happened = [...events.flatMap(happeningOf), ...written.map(lineOf)];
  for (const { time, text, raw } of happened.toSorted((a, b) => a.time.getTime() - b.time.getTime())) {
    process.stdout.write(options.json ? `${JSON.stringify(raw)}\n` : `${formatTime(time)}  ${text}\n`);
  }
}

async function functionLines(
  { arn, started = new Date(0), stopped = new Date() }: ExecutionReport,
  events: readonly HistoryEvent[],
  { installation, ...address }: LogsOptions,
): Promise<LogLine[]> {
  using functions = new FunctionLogs(address);
  const steps = new Set(events.flatMap(({ stateEnteredEventDetails }) => stateEnteredEventDetails?.name ?? []));
  if (steps.size === 0) return [];
  return functions.lines({
    groupPrefix: `${installation}-pipeline-`,
    ...(WITH_RUN_ID.some((workflow) => arn.includes(`:${installation}-${workflow}:`)) ? { run: runIdOf(arn) } : {}),
    steps: [...steps],
    from: new Date(started.getTime() - MARGIN_MS),
    to: new Date(stopped.getTime() + MARGIN_MS),
  });
}

const logged = z.object({
  message: z.string(),
  step: z.string(),
  durationMs: z.optional(z.number()),
  failure: z.optional(z.string()),
  reason: z.optional(z.string()),
});

function lineOf({ time, text }: LogLine): Happening {
  const { data } = logged.safeParse(parsedOrText(text));
  if (data === undefined) return { time, text: `    ${text}`, raw: parsedOrText(text) };
  const { message, step, durationMs, failure, reason } = data;
  const said = [message, durationMs === undefined ? '' : `${durationMs} ms`, failure ?? '', reason ?? ''];
  return { time, text: `    ${step}: ${said.filter((part) => part !== '').join(' ')}`, raw: parsedOrText(text) };
}

/** A line that is no JSON is one that the Lambda runtime wrote. */
function parsedOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Nothing for events that say nothing a reader needs: that a task was scheduled, that a map began. */
function happeningOf(event: HistoryEvent): Happening[] {
  const text = textOf(event);
  return text === undefined ? [] : [{ time: event.timestamp ?? new Date(0), text, raw: event }];
}

function textOf(event: HistoryEvent): string | undefined {
  if (event.stateEnteredEventDetails) return event.stateEnteredEventDetails.name;
  const failed = [
    event.taskFailedEventDetails,
    event.taskTimedOutEventDetails,
    event.mapRunFailedEventDetails,
    event.executionFailedEventDetails,
    event.executionTimedOutEventDetails,
    event.executionAbortedEventDetails,
  ].find((details) => details !== undefined);
  if (failed) return `  ${event.type}: ${failed.error ?? ''} ${failed.cause ?? ''}`.trimEnd();
  return event.type === 'ExecutionSucceeded' ? 'succeeded' : undefined;
}
