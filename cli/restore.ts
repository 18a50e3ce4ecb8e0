/** blockferry restore: a disk of a restore point into a file or a block device, or disks and VMs to a pool. */

import { type Command, Option } from 'commander';
import { diskOfPoint, findPoint, type NamedPoint } from '#lib/restore/points.ts';
import type { RestoreOptions as DiskOptions, RestoreProgress } from '#lib/restore/restore-disk.ts';
import { isBlockDevice, restoreBlockDevice, restoreRawFile, restoreVhdFile } from '#lib/restore/restore-to-path.ts';
import { UnpackingThreads } from '#lib/restore/unpacking-threads.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import type { FrameUnpacker } from '#lib/vault/unpack-frames.ts';
import { formatBytes, formatDuration } from './console-text.ts';
import { fingerprintOption } from './host-options.ts';
import { remarkRebuiltIndexes } from './rebuilt-indexes.ts';
import { progressLine } from './restore-progress.ts';
import { otherHost, restoreToPool, type ToPoolOptions } from './restore-to-pool.ts';
import { unpackingThreads } from './unpacking-threads.ts';
import { uuidArgument } from './uuid-argument.ts';
import { addVaultOptions, openVault, UsageError, type VaultOptions } from './vault-options.ts';

interface RestoreOptions extends VaultOptions, ToPoolOptions {
  readonly to?: string;
  readonly format?: 'raw' | 'vhd';
  readonly vm?: string;
  readonly keepGoing?: boolean;
  readonly targetIsZero?: boolean;
  readonly json?: boolean;
}

export function addRestore(program: Command): void {
  addVaultOptions(program.command('restore'))
    .argument('<point>', 'name of the restore point, a unique beginning of it, or "latest"')
    .description('restore a disk of a restore point into a file or a block device, or a disk or the whole VM to a pool')
    .option('--to <path>', 'the file to make, which must not exist yet, or a block device')
    .addOption(new Option('--format <format>', 'of the file; raw is sparse').choices(['raw', 'vhd']).default('raw'))
    .option('--vm <uuid or name>', 'the VM, where the point alone does not say')
    .option('--disk <uuid, position or name>', 'the disk, where the VM has several')
    .option('--keep-going', 'after damage, restore all that is intact into <path>.partial')
    .option('--read-back', 'read what was restored again, on a pool over NBD, and compare it with the vault')
    .option('--target-is-zero', 'the block device reads as zeros, so that holes need not be written')
    .option('--to-host <url>', 'the pool coordinator, as https://address: makes a new disk there')
    .option('--whole-vm', 'with --to-host: the VM with all its disks, or with the one of --disk; it stays halted')
    .option('--sr <uuid>', 'with --to-host: the storage repository of the new disks', uuidArgument)
    .option(
      '--name <label>',
      'with --to-host: name of the new disk or VM; otherwise "(restored)" is added to the old one',
    )
    .option('--keep-macs', 'with --whole-vm: keep the MAC addresses and the uuid of the VM')
    .option('--other-host <url=fingerprint>', 'with --to-host: a host of the pool that has the storage', otherHost)
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
  blockferry restore latest --vm web-1 --whole-vm --to-host https://192.0.2.10 --fingerprint 00:11:22:... \\
    --password-file host.password --sr 8a9c3c56-... --vault s3://my-vault
`,
    )
    .action(restore);
}

async function restore(name: string, options: RestoreOptions): Promise<void> {
  const { to, toHost } = options;
  if ((to === undefined) === (toHost === undefined)) throw new UsageError('say where to: either --to or --to-host');
  using vault = openVault(options);
  const point = await findPoint(vault.store, { point: name, vm: options.vm });
  await using threads = new UnpackingThreads(unpackingThreads());
  const startedMs = Date.now();
  const isQuiet = options.json || !process.stderr.isTTY;
  const shared = {
    store: vault.store,
    point,
    unpacker: threads,
    onProgress: isQuiet ? () => undefined : progressLine(startedMs),
  };
  const result = to === undefined ? await toPool(shared, options) : await toPath(shared, { ...options, to });
  const tookMs = Date.now() - startedMs;
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ point: point.name, ...result, tookMs })}\n`);
    return;
  }
  const kept = result.doneBytes - result.writtenBytes;
  process.stdout.write(
    `restored ${result.what} of ${point.name} to ${result.to}: ${formatBytes(result.diskBytes)}, ` +
      `${formatBytes(result.doneBytes)} of it data, in ${formatDuration(tookMs)}` +
      `${kept > 0 ? `; ${formatBytes(kept)} were there from an earlier attempt` : ''}\n`,
  );
}

interface Restoring {
  readonly store: ObjectStore;
  readonly point: NamedPoint;
  readonly unpacker: FrameUnpacker;
  readonly onProgress: (progress: RestoreProgress) => void;
}

function onRemark(remark: string): void {
  process.stderr.write(`note: ${remark}\n`);
}

type Restored = RestoreProgress & { readonly what: string; readonly to: string };

async function toPool(shared: Restoring, options: RestoreOptions): Promise<Restored> {
  const restored = await restoreToPool({ ...shared, onRemark }, options);
  const { vm, vdis } = restored;
  const what = vm === undefined ? `disk ${vdis.join(', ')}` : `VM ${vm.nameLabel} (${vm.uuid}), halted,`;
  return { ...restored, what, to: options.toHost ?? '' };
}

async function toPath(
  { store, point, unpacker, onProgress }: Restoring,
  options: RestoreOptions & { readonly to: string },
): Promise<Restored & { readonly disk: string }> {
  const { to } = options;
  const { disk, seq } = diskOfPoint(point, options.disk);
  const content = await DiskContent.open(store, { disk, seq }, unpacker);
  const shared: DiskOptions = { onDamage: options.keepGoing ? 'go-on' : 'stop', onProgress };
  const restored = await intoPath(content, { ...options, to }, shared);
  remarkRebuiltIndexes(content, onRemark);
  return { ...restored, disk, what: `disk ${disk}`, to };
}

async function intoPath(
  content: DiskContent,
  { to, ...options }: RestoreOptions & { readonly to: string },
  shared: DiskOptions,
): Promise<RestoreProgress> {
  if (await isBlockDevice(to)) {
    if (options.format === 'vhd') throw new UsageError('a block device takes --format raw only');
    const before = options.targetIsZero ? 'zeros' : 'unknown';
    return restoreBlockDevice(content, { path: to, before }, shared);
  }
  const toFile = options.format === 'vhd' ? restoreVhdFile : restoreRawFile;
  return toFile(content, to, { ...shared, readBack: options.readBack ?? false });
}
