/** blockferry status: the newest runs, or how far one is and how it ended. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { ExecutionReport, ExecutionSummary, WorkflowService } from '#lib/executions/workflow-service.ts';
import { RESTORE_LIMIT_HOURS } from '#lib/workflow/restore-input.ts';
import { formatDuration, formatTable, formatTime } from './console-text.ts';
import { addInstallationOptions, type InstallationOptions, openService } from './installation-options.ts';
import { knownExecution, machinesOf } from './known-execution.ts';

interface StatusOptions extends InstallationOptions {
  readonly watch?: boolean;
}

/** Between two looks of --watch: a shard takes about a minute. */
const LOOK_PAUSE_MS = 5_000;
/** No workflow runs longer than a restore. */
const MAX_LOOKS = (RESTORE_LIMIT_HOURS * 3_600_000) / LOOK_PAUSE_MS;

export function addStatus(program: Command): void {
  addInstallationOptions(program.command('status'))
    .argument('[execution]', 'ARN or name; left out: the newest runs')
    .description('show runs on AWS: which there were, how far one is, how it ended')
    .option('--watch', 'go on until the execution has ended; a line for everything that changes')
    .addHelpText('after', '\nExample:\n  blockferry status --installation blockferry --region eu-central-1\n')
    .action(status);
}

async function status(execution: string | undefined, options: StatusOptions): Promise<void> {
  using service = openService(options);
  if (execution === undefined) {
    const runs = await newestRuns(service, options.installation);
    process.stdout.write(options.json ? `${JSON.stringify(runs)}\n` : tableOf(runs));
    return;
  }
  let report = await knownExecution(service, options.installation, execution);
  let progress = await progressOf(service, report);
  let shown = '';
  for (let look = 0; options.watch && report.status === 'RUNNING' && look < MAX_LOOKS; look++) {
    if (progress !== shown && !options.json) process.stdout.write(`${formatTime(new Date())}  ${progress}\n`);
    shown = progress;
    await delay(LOOK_PAUSE_MS);
    report = await service.describe(report.arn);
    progress = await progressOf(service, report);
  }
  const shards = await service.mapProgress(report.arn);
  const whole = { ...report, progress, ...(shards && { shards }) };
  process.stdout.write(options.json ? `${JSON.stringify(whole)}\n` : described(whole, new Date()));
}

/** What a running execution is doing: its shards, its VMs, its disks, or the step that it is in. Empty once it has ended. */
async function progressOf(service: WorkflowService, { arn, status: state }: ExecutionReport): Promise<string> {
  if (state !== 'RUNNING') return '';
  const shards = await service.mapProgress(arn);
  if (shards !== undefined && shards.succeeded < shards.total) {
    const { succeeded, total, running, failed } = shards;
    return `${succeeded} of ${total} shards read, ${running} being read, ${failed} failed`;
  }
  const { step, vms, disks } = await service.position(arn);
  if (disks !== undefined) return `at ${step}, ${disks.ended} of ${disks.selected} disks restored`;
  return vms === undefined ? `at ${step}` : `${vms.ended} of ${vms.selected} VMs ended, ${vms.failed} of them failed`;
}

async function newestRuns(service: WorkflowService, installation: string): Promise<ExecutionSummary[]> {
  const machines = await machinesOf(service, installation);
  const runs = await Promise.all(machines.map((arn) => service.recent(arn)));
  return runs.flat().sort((a, b) => (b.started?.getTime() ?? 0) - (a.started?.getTime() ?? 0));
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
function described(report: ExecutionReport & { readonly progress: string }, now: Date): string {
  const { started, stopped, progress } = report;
  const took = started ? ` for ${formatDuration((stopped ?? now).getTime() - started.getTime())}` : '';
  const lines = [report.arn, report.status === 'RUNNING' ? `running${took}` : `${report.status}${took}`];
  if (progress !== '') lines.push(progress);
  if (report.error !== undefined) lines.push(`${report.error}: ${report.cause ?? ''}`);
  if (report.output !== undefined) lines.push(report.output);
  return `${lines.join('\n')}\n`;
}
