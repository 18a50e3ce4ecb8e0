/** blockferry deploy: both stacks through the cdk command line that this project pins. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { Failure } from '#lib/failure.ts';

/** The cdk command line ended with an error, which it has printed. */
export class DeploymentFailed extends Failure {
  static override readonly failureName = 'DeploymentFailed';
}

interface DeployOptions {
  readonly settings: string;
  readonly profile?: string;
  readonly yes?: boolean;
  readonly json?: boolean;
}

const projectRoot = join(import.meta.dirname, '..');

export function addDeploy(program: Command): void {
  program
    .command('deploy')
    .description('deploy the vault and the pipeline into the AWS account of the credentials')
    .option('--settings <file>', 'the settings file', 'blockferry.json')
    .addOption(new Option('--profile <name>', 'profile of the AWS tools').env('AWS_PROFILE'))
    .option('--yes', 'do not ask before changes of permissions')
    .option('--json', 'the outputs of the stacks as one JSON object; the progress goes to standard error')
    .addHelpText('after', '\nExample:\n  blockferry deploy --settings blockferry.json --profile backup\n')
    .action(deploy);
}

async function deploy(options: DeployOptions): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'blockferry-deploy-'));
  const outputs = join(folder, 'outputs.json');
  try {
    const env = { ...process.env, BLOCKFERRY_SETTINGS: resolve(options.settings), CDK_DISABLE_CLI_TELEMETRY: 'true' };
    const stdout = options.json ? process.stderr : 'inherit';
    const words = [...deployArguments(options), '--outputs-file', outputs];
    const cdk = spawn(process.execPath, words, { cwd: projectRoot, env, stdio: ['inherit', stdout, 'inherit'] });
    const [code] = await once(cdk, 'exit');
    if (code !== 0) throw new DeploymentFailed(`cdk deploy ended with ${code ?? 'a signal'}; its last lines say why`);
    if (options.json) process.stdout.write(`${JSON.stringify(JSON.parse(await readFile(outputs, 'utf8')))}\n`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The app runs on the Node of this process: that of the path may be older. */
export function deployArguments({ profile, yes }: Pick<DeployOptions, 'profile' | 'yes'>): string[] {
  const cdk = join(dirname(createRequire(import.meta.url).resolve('aws-cdk/package.json')), 'bin', 'cdk');
  return [
    cdk,
    'deploy',
    '--all',
    ...['--app', `"${process.execPath}" cdk/app.ts`],
    ...['--require-approval', yes ? 'never' : 'broadening'],
    ...(profile === undefined ? [] : ['--profile', profile]),
  ];
}
