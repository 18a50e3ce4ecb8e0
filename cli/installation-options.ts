/** Which deployed installation a command means, with whose credentials. */

import { type Command, Option } from 'commander';
import { WorkflowService } from '#lib/executions/workflow-service.ts';

export interface InstallationOptions {
  readonly installation: string;
  readonly region?: string;
  readonly profile?: string;
  readonly json?: boolean;
}

export function addInstallationOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--installation <name>', '`name` of blockferry.json')
        .env('BLOCKFERRY_INSTALLATION')
        .default('blockferry'),
    )
    .addOption(new Option('--region <name>', 'region of the installation').env('AWS_REGION'))
    .addOption(new Option('--profile <name>', 'profile of the AWS tools').env('AWS_PROFILE'))
    .option('--json', 'the result as JSON');
}

export function openService({ region, profile }: InstallationOptions): WorkflowService {
  return new WorkflowService({
    ...(region === undefined ? {} : { region }),
    ...(profile === undefined ? {} : { profile }),
  });
}
