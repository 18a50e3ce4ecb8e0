/** blockferry start-restore: a restore to a pool on AWS, for which this machine needs no way to vault or pool. */

import type { Command } from 'commander';
import { restoreInput } from '#lib/workflow/restore-input.ts';
import { addInstallationOptions, type InstallationOptions, openService } from './installation-options.ts';
import { uuidArgument } from './uuid-argument.ts';
import { UsageError } from './vault-options.ts';

interface StartRestoreOptions extends InstallationOptions {
  readonly sr: string;
  readonly vm?: string;
  readonly pool?: string;
  readonly disk?: readonly string[];
  readonly disksOnly?: boolean;
  readonly name?: string;
  readonly keepMacs?: boolean;
}

export function addStartRestore(program: Command): void {
  addInstallationOptions(program.command('start-restore'))
    .argument('<point>', 'name of the restore point, a unique beginning of it, or "latest"')
    .description('restore a VM, or disks of it, to a pool by the workflow on AWS')
    .requiredOption('--sr <uuid>', 'the storage repository of the new disks', uuidArgument)
    .option('--vm <uuid or name>', 'the VM, where the point alone does not say')
    .option('--pool <name>', 'pool that it goes to, where the settings describe several')
    .option('--disk <uuid, position or name...>', 'these disks; all unless given')
    .option('--disks-only', 'the disks without the VM')
    .option('--name <label>', 'name of the restored VM; otherwise "(restored)" is added to the old one')
    .option('--keep-macs', 'keep the MAC addresses and the uuid of the VM')
    .addHelpText(
      'after',
      '\nExample:\n  blockferry start-restore latest --vm web-1 --sr 8a9c3c56-... --region eu-central-1\n' +
        '  blockferry status NAME --watch --region eu-central-1\n',
    )
    .action(startRestore);
}

async function startRestore(point: string, options: StartRestoreOptions): Promise<void> {
  const input = restoreRequested(point, options);
  using service = openService(options);
  const arn = await service.start(await service.machineArn(`${options.installation}-restore`), input);
  process.stdout.write(options.json ? `${JSON.stringify({ execution: arn })}\n` : `started ${arn}\n`);
}

/** The workflow's input, checked before anything is sent. Throws UsageError. */
export function restoreRequested(point: string, options: Omit<StartRestoreOptions, keyof InstallationOptions>): object {
  const { sr, vm, pool, disk, name } = options;
  const chosen = {
    ...(vm === undefined ? {} : { vm }),
    ...(pool === undefined ? {} : { pool }),
    ...(disk === undefined ? {} : { disks: disk }),
    ...(name === undefined ? {} : { name }),
  };
  const how = { as: options.disksOnly ? 'disks' : 'vm', identity: options.keepMacs ? 'kept' : 'new' };
  const parsed = restoreInput.safeParse({ point, sr, ...chosen, ...how });
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.map(({ path }) => path.join('.')).join(', ');
  throw new UsageError(`${wrong} cannot be used; a storage repository is named by its uuid, and no name may be empty`);
}
