/** blockferry backup --local: one backup run on this machine, through the workflow that would run on AWS. */

import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import * as z from 'zod/mini';
import { RunInProgress } from '#lib/backup/failures.ts';
import { Failure } from '#lib/failure.ts';
import { ambientCredentials } from '#lib/store/s3-credentials.ts';
import { LEFT_TO_ANOTHER_RUN } from '#lib/workflow/backup-input.ts';
import { LocalInstallation } from '#local/installation.ts';
import type { Execution } from '#local/states/execution.ts';
import { formatBytes } from './console-text.ts';
import { addHostOptions, fingerprintOption, type HostOptions } from './host-options.ts';
import { readPassword } from './password.ts';
import { addRetentionOptions, type RetentionOptions, retentionFrom } from './retention-options.ts';
import { RunProgress } from './run-progress.ts';
import { uuidArgument } from './uuid-argument.ts';
import { addVaultOptions, parseVaultUrl, UsageError, type VaultOptions } from './vault-options.ts';

/** A backup run ended without a restore point; name and message are those of the step that failed. */
export class RunFailed extends Failure {
  static override readonly failureName = 'RunFailed';

  constructor(error: string, message: string) {
    super(message);
    this.name = error;
  }
}

interface BackupOptions extends HostOptions, VaultOptions, RetentionOptions {
  readonly local?: boolean;
  readonly fingerprint: string;
  readonly readers?: number;
  readonly runBudget?: number;
  readonly budget?: number;
  readonly budgetStop?: boolean;
  readonly objectLock?: 'governance' | 'compliance';
  readonly signingKey?: string;
  readonly json?: boolean;
}

export function addBackup(program: Command): void {
  const command = addRetentionOptions(addVaultOptions(program.command('backup')));
  addHostOptions(command, fingerprintOption().makeOptionMandatory())
    .argument('<vm>', 'uuid of the VM', uuidArgument)
    .description('back up a VM on this machine, into any S3-compatible vault')
    .option('--local', 'run the workflow here instead of on AWS')
    .option('--readers <count>', 'parallel readers, 1 to 16', readerCount)
    .option('--run-budget <dollars>', 'what the run may cost, at list prices of AWS', dollars)
    .option('--budget <dollars>', 'what the VM may cost in a month', dollars)
    .option('--budget-stop', 'end before the transfer when a budget is passed, instead of warning')
    .addOption(
      new Option('--object-lock <mode>', 'lock what is written for as long as the --keep rules keep it').choices([
        'governance',
        'compliance',
      ]),
    )
    .option('--signing-key <file>', 'PEM file of the private key on P-256 that signs the heads of ledgers', fullPath)
    .option('--json', 'the result as one JSON object')
    .addHelpText(
      'after',
      '\nExample:\n  blockferry backup 5f0e4a3c-0b1d-4c2e-9f3a-6b7c8d9e0f1a --local --host https://192.0.2.10 \\\n' +
        '    --fingerprint 00:11:22:... --password-file host.password --vault s3://backups/site-a --endpoint https://s3.example\n',
    )
    .action(backUp);
}

/** The functions run in folders of their own. */
function fullPath(path: string): string {
  return resolve(path);
}

function readerCount(text: string): number {
  if (!/^([1-9]|1[0-6])$/.test(text)) throw new InvalidArgumentError('It must be a number from 1 to 16.');
  return Number(text);
}

function dollars(text: string): number {
  const amount = Number(text);
  if (!(amount > 0)) throw new InvalidArgumentError('It must be an amount in US dollars, more than 0.');
  return amount;
}

async function backUp(vm: string, options: BackupOptions): Promise<void> {
  if (!options.local) throw new UsageError('this command runs here only: say --local, or start the deployed workflow');
  const { endpoint, region, objectLock, signingKey: signingKeyFile } = options;
  const retention = retentionFrom(options);
  await using installation = await LocalInstallation.start({
    pools: [
      {
        name: 'local',
        url: options.host,
        fingerprint: options.fingerprint,
        username: options.username,
        password: await readPassword(options.passwordFile),
      },
    ],
    vault: {
      ...parseVaultUrl(options.vault),
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(region === undefined ? {} : { region }),
      credentials: await ambientCredentials(),
      ...(objectLock && { objectLock }),
      ...(signingKeyFile && { signingKeyFile }),
    },
    onEvent: options.json ? () => undefined : new RunProgress((line) => process.stderr.write(`${line}\n`)).onEvent,
  });
  const execution = await installation.start('backup', {
    vm,
    ...(options.readers && { readers: options.readers }),
    ...budgetOf(options),
    ...(retention && { retention }),
  });
  const interrupted = () => installation.stop(execution);
  process.once('SIGINT', interrupted);
  await execution.finished;
  process.removeListener('SIGINT', interrupted);
  const point = backupResult(execution);
  process.stdout.write(
    options.json
      ? `${JSON.stringify(point)}\n`
      : `restore point ${point.point} (${point.outcome}), ${formatBytes(point.storedBytes)} stored\n`,
  );
}

function budgetOf({ runBudget: perRun, budget: perMonth, budgetStop }: BackupOptions) {
  if (perRun === undefined && perMonth === undefined) return {};
  return { budget: { perRun, perMonth, onExceed: budgetStop ? 'stop' : 'warn' } };
}

const left = z.object({ outcome: z.literal(LEFT_TO_ANOTHER_RUN), reason: z.string() });
const committed = z.object({ outcome: z.string(), point: z.string(), storedBytes: z.number() });
const lambdaCause = z.object({ errorMessage: z.string() });

/** The point that the run made. Throws RunFailed with the name and the sentence of what kept it from that. */
export function backupResult(execution: Execution): z.infer<typeof committed> {
  const toAnother = left.safeParse(execution.output);
  if (toAnother.success) throw new RunFailed(RunInProgress.failureName, toAnother.data.reason);
  if (execution.status === 'SUCCEEDED') return committed.parse(execution.output);
  throw new RunFailed(execution.error ?? execution.status, messageOf(execution.cause ?? 'the run was stopped'));
}

/** The cause of a failed Lambda task is JSON; of other states it is the sentence itself. */
function messageOf(cause: string): string {
  try {
    return lambdaCause.parse(JSON.parse(cause)).errorMessage;
  } catch {
    return cause;
  }
}
