/** blockferry restore: a disk of a restore point into a file, a block device, or a new disk of a host. */

import { type Command, Option } from 'commander';
import { diskOfPoint, findPoint } from '#lib/restore/points.ts';
import type { RestoreOptions as DiskOptions, RestoreProgress } from '#lib/restore/restore-disk.ts';
import { isBlockDevice, restoreBlockDevice, restoreRawFile, restoreVhdFile } from '#lib/restore/restore-to-path.ts';
import { UnpackingThreads } from '#lib/restore/unpacking-threads.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { formatBytes, formatDuration } from './console-text.ts';
import { fingerprintOption } from './host-options.ts';
import { progressLine } from './restore-progress.ts';
import { type NewDiskOptions, restoreToNewDisk } from './restore-to-new-disk.ts';
import { unpackingThreads } from './unpacking-threads.ts';
import { uuidArgument } from './uuid-argument.ts';
import { addVaultOptions, openVault, UsageError, type VaultOptions } from './vault-options.ts';

interface RestoreOptions extends VaultOptions, NewDiskOptions {
  readonly to?: string;
  readonly toHost?: string;
  readonly format?: 'raw' | 'vhd';
  readonly vm?: string;
  readonly disk?: string;
  readonly keepGoing?: boolean;
  readonly readBack?: boolean;
  readonly targetIsZero?: boolean;
  readonly json?: boolean;
}

export function addRestore(program: Command): void {
  addVaultOptions(program.command('restore'))
    .argument('<point>', 'name of the restore point, a unique beginning of it, or "latest"')
    .description('restore a disk of a restore point into a file, a block device, or a new disk of a host')
    .option('--to <path>', 'the file to make, which must not exist yet, or a block device')
    .addOption(new Option('--format <format>', 'of the file; raw is sparse').choices(['raw', 'vhd']).default('raw'))
    .option('--vm <uuid or name>', 'the VM, where the point alone does not say')
    .option('--disk <uuid, position or name>', 'the disk, where the VM has several')
    .option('--keep-going', 'after damage, restore all that is intact into <path>.partial')
    .option('--read-back', 'read the finished file again and compare it with the digests of the vault')
    .option('--target-is-zero', 'the block device reads as zeros, so that holes need not be written')
    .option('--to-host <url>', 'the pool coordinator, as https://address: makes a new disk there')
    .option('--sr <uuid>', 'with --to-host: the storage repository of the new disk', uuidArgument)
    .option('--name <label>', 'with --to-host: name of the new disk')
    .addOption(fingerprintOption())
    .addOption(new Option('--username <name>', 'with --to-host').env('BLOCKFERRY_USERNAME').default('root'))
    .option('--password-file <file>', 'with --to-host: its first line; otherwise BLOCKFERRY_PASSWORD is used')
    .option('--json', 'the result as one JSON object')
    .addHelpText(
      'after',
      `
Until it is whole the file is called <path>.partial. After an interruption the same command goes on
from there; what was written is compared with the vault's digests, not trusted.
Exit codes: 0 restored, 1 failed, 2 usage, 3 the vault is damaged (the message names the byte ranges).

Examples:
  blockferry restore latest --vm web-1 --disk 0 --to web-1.raw --vault s3://my-vault
  blockferry restore latest --vm web-1 --disk 0 --to-host https://192.0.2.10 --fingerprint 00:11:22:... \\
    --password-file host.password --sr 8a9c3c56-... --vault s3://my-vault
`,
    )
    .action(restore);
}

async function restore(name: string, options: RestoreOptions): Promise<void> {
  using vault = openVault(options);
  const point = await findPoint(vault.store, { point: name, vm: options.vm });
  const { disk, seq } = diskOfPoint(point, options.disk);
  await using threads = new UnpackingThreads(unpackingThreads());
  const content = await DiskContent.open(vault.store, { disk, seq }, threads);
  const startedMs = Date.now();
  const result = await restoreTo(content, options, startedMs);
  const tookMs = Date.now() - startedMs;
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ point: point.name, disk, ...result, tookMs })}\n`);
    return;
  }
  const kept = result.doneBytes - result.writtenBytes;
  process.stdout.write(
    `restored disk ${disk} of ${point.name} to ${result.to}: ${formatBytes(result.diskBytes)}, ` +
      `${formatBytes(result.doneBytes)} of it data, in ${formatDuration(tookMs)}` +
      `${kept > 0 ? `; ${formatBytes(kept)} were there from an earlier attempt` : ''}\n`,
  );
}

async function restoreTo(
  content: DiskContent,
  options: RestoreOptions,
  startedMs: number,
): Promise<RestoreProgress & { readonly to: string }> {
  const shared: DiskOptions = {
    onDamage: options.keepGoing ? 'go-on' : 'stop',
    ...(options.json || !process.stderr.isTTY ? {} : { onProgress: progressLine(startedMs) }),
  };
  const { to, toHost } = options;
  if (toHost !== undefined && to === undefined) {
    const restored = await restoreToNewDisk(content, { ...options, toHost }, shared);
    return { ...restored, to: `disk ${restored.vdi} of ${toHost}` };
  }
  if (to === undefined || toHost !== undefined) throw new UsageError('say where to: either --to or --to-host');
  if (await isBlockDevice(to)) {
    if (options.format === 'vhd') throw new UsageError('a block device takes --format raw only');
    const before = options.targetIsZero ? 'zeros' : 'unknown';
    return { ...(await restoreBlockDevice(content, { path: to, before }, shared)), to };
  }
  const toFile = options.format === 'vhd' ? restoreVhdFile : restoreRawFile;
  return { ...(await toFile(content, to, { ...shared, readBack: options.readBack ?? false })), to };
}
