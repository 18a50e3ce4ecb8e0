/** blockferry logs: what happened in an execution, step by step, with every error that was tried again. */

import type { HistoryEvent } from '@aws-sdk/client-sfn';
import type { Command } from 'commander';
import { formatTime } from './console-text.ts';
import { addInstallationOptions, type InstallationOptions, openService } from './installation-options.ts';

export function addLogs(program: Command): void {
  addInstallationOptions(program.command('logs'))
    .argument('<execution>', 'ARN of the execution')
    .description('show what happened in an execution on AWS, step by step')
    .addHelpText(
      'after',
      '\nExample:\n  blockferry logs arn:aws:states:eu-central-1:123456789012:execution:blockferry-backup:a1b2\n',
    )
    .action(async (execution: string, options: InstallationOptions) => {
      using service = openService(options);
      for await (const event of service.history(execution)) {
        const line = options.json ? JSON.stringify(event) : lineOf(event);
        if (line !== undefined) process.stdout.write(`${line}\n`);
      }
    });
}

/** Undefined for events that say nothing a reader needs: that a task was scheduled, that a map began. */
export function lineOf(event: HistoryEvent): string | undefined {
  const text = textOf(event);
  return text === undefined ? undefined : `${event.timestamp ? formatTime(event.timestamp) : ''}  ${text}`;
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
