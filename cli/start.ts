/** blockferry start: a backup run of one VM, or of all VMs of a policy, on AWS. */

import type { Command } from 'commander';
import { backupInput } from '#lib/workflow/backup-input.ts';
import { fleetInput, fleetInputOf } from '#lib/workflow/fleet-input.ts';
import { addInstallationOptions, type InstallationOptions, openService } from './installation-options.ts';
import { readPolicies } from './settings-policies.ts';
import { UsageError } from './vault-options.ts';

interface StartOptions extends InstallationOptions {
  readonly policy?: string;
  readonly pool?: string;
  readonly readers?: string;
  readonly settings: string;
}

export function addStart(program: Command): void {
  addInstallationOptions(program.command('start'))
    .argument('[vm]', 'uuid of the VM')
    .description('start a backup on AWS, of one VM or of a policy')
    .option('--policy <name>', 'all VMs of this policy of the settings file')
    .option('--pool <name>', 'pool of the VM, where the settings describe several')
    .option('--readers <count>', 'parallel readers, 1 to 16')
    .option('--settings <file>', 'the settings file, for --policy', 'blockferry.json')
    .addHelpText('after', '\nExample:\n  blockferry start --policy nightly --profile backup --region eu-central-1\n')
    .action(start);
}

async function start(vm: string | undefined, options: StartOptions): Promise<void> {
  const { workflow, input } = await requested(vm, options);
  using service = openService(options);
  const arn = await service.start(await service.machineArn(`${options.installation}-${workflow}`), input);
  process.stdout.write(options.json ? `${JSON.stringify({ execution: arn })}\n` : `started ${arn}\n`);
}

/** The workflow that is meant and its input, checked before anything is sent. Throws UsageError. */
export async function requested(
  vm: string | undefined,
  options: Pick<StartOptions, 'policy' | 'pool' | 'readers' | 'settings'>,
): Promise<{ readonly workflow: 'backup' | 'fleet'; readonly input: object }> {
  const { policy, pool, readers } = options;
  if ((vm === undefined) === (policy === undefined)) {
    throw new UsageError('name either a VM by its uuid or a policy with --policy');
  }
  if (policy !== undefined) return { workflow: 'fleet', input: await policyInput(options.settings, policy) };
  const parsed = backupInput.safeParse({
    vm,
    ...(pool === undefined ? {} : { pool }),
    ...(readers === undefined ? {} : { readers: Number(readers) }),
  });
  if (parsed.success) return { workflow: 'backup', input: parsed.data };
  const wrong = parsed.error.issues.map(({ path }) => path.join('.')).join(', ');
  throw new UsageError(`${wrong} cannot be used; a VM is named by its uuid, readers are 1 to 16`);
}

async function policyInput(file: string, name: string): Promise<object> {
  const policies = await readPolicies(file);
  const policy = policies.find((candidate) => candidate.name === name);
  if (policy !== undefined) return fleetInput.parse(fleetInputOf(policy));
  throw new UsageError(`${file} has no policy ${name}; it has ${policies.map((each) => each.name).join(', ')}`);
}
