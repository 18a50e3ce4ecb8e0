/** blockferry status: the newest runs, or how far one is and how it ended. */

import type { Command } from 'commander';
import { ExecutionUnknown } from '#lib/executions/failures.ts';
import type {
  ExecutionReport,
  ExecutionSummary,
  MapProgress,
  WorkflowService,
} from '#lib/executions/workflow-service.ts';
import { formatDuration, formatTable, formatTime } from './console-text.ts';
import {
  addInstallationOptions,
  executionArns,
  type InstallationOptions,
  openService,
} from './installation-options.ts';

export function addStatus(program: Command): void {
  addInstallationOptions(program.command('status'))
    .argument('[execution]', 'ARN or name; left out: the newest runs')
    .description('show runs on AWS: which there were, how far one is, how it ended')
    .addHelpText('after', '\nExample:\n  blockferry status --installation blockferry --region eu-central-1\n')
    .action(status);
}

async function status(execution: string | undefined, options: InstallationOptions): Promise<void> {
  using service = openService(options);
  if (execution === undefined) {
    const runs = await newestRuns(service, options.installation);
    process.stdout.write(options.json ? `${JSON.stringify(runs)}\n` : tableOf(runs));
    return;
  }
  const report = await firstKnown(service, await executionArns(service, options.installation, execution));
  const shards = await service.mapProgress(report.arn);
  process.stdout.write(
    options.json ? `${JSON.stringify({ ...report, shards })}\n` : described(report, shards, new Date()),
  );
}

async function newestRuns(service: WorkflowService, installation: string): Promise<ExecutionSummary[]> {
  const machines = await Promise.all(['backup', 'fleet'].map((kind) => service.machineArn(`${installation}-${kind}`)));
  const runs = await Promise.all(machines.map((arn) => service.recent(arn)));
  return runs.flat().sort((a, b) => (b.started?.getTime() ?? 0) - (a.started?.getTime() ?? 0));
}

/** A name may belong to either workflow. */
async function firstKnown(service: WorkflowService, arns: readonly string[]): Promise<ExecutionReport> {
  for (const arn of arns.slice(0, -1)) {
    try {
      return await service.describe(arn);
    } catch (failure) {
      if (!(failure instanceof ExecutionUnknown)) throw failure;
    }
  }
  return service.describe(arns.at(-1) ?? '');
}

function tableOf(runs: readonly ExecutionSummary[]): string {
  if (runs.length === 0) return 'There was no run yet.\n';
  const rows = runs.map(({ arn, status: state, started, stopped }) => {
    const [machine = '', name = ''] = arn.split(':').slice(-2);
    const took = started && stopped ? formatDuration(stopped.getTime() - started.getTime()) : '';
    return [machine, state, started ? formatTime(started) : '', took, name];
  });
  return `${formatTable(['WORKFLOW', 'STATUS', 'STARTED', 'TOOK', 'NAME'], rows)}\n`;
}

/** What a person wants to know of one execution; `now` is for one that still runs. */
export function described(report: ExecutionReport, shards: MapProgress | undefined, now: Date): string {
  const { started, stopped } = report;
  const took = started ? ` for ${formatDuration((stopped ?? now).getTime() - started.getTime())}` : '';
  const lines = [report.arn, report.status === 'RUNNING' ? `running${took}` : `${report.status}${took}`];
  if (shards !== undefined) {
    lines.push(
      `${shards.succeeded} of ${shards.total} shards read, ${shards.running} being read, ${shards.failed} failed`,
    );
  }
  if (report.error !== undefined) lines.push(`${report.error}: ${report.cause ?? ''}`);
  if (report.output !== undefined) lines.push(report.output);
  return `${lines.join('\n')}\n`;
}
