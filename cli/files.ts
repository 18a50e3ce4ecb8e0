/** blockferry files: list or extract single files of a restore point's ext2/3/4 or NTFS file system, without a restore. */

import { mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { Failure } from '#lib/failure.ts';
import type { ServedDisk } from '#lib/nbd-server/served-disk.ts';
import { NbdServer } from '#lib/nbd-server/server.ts';
import { FILE_SYSTEM_HEAD_BYTES, fileSystemKind } from '#lib/restore/file-system-kind.ts';
import { PartitionExport } from '#lib/restore/partition-export.ts';
import { readPartitions } from '#lib/restore/partitions.ts';
import { diskOfPoint, findPoint } from '#lib/restore/points.ts';
import type { DiskRange } from '#lib/restore/restore-disk.ts';
import { VaultExport } from '#lib/restore/vault-export.ts';
import { MIB } from '#lib/units.ts';
import { isDamage } from '#lib/vault/damage.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { formatBytes } from './console-text.ts';
import { extFiles } from './ext-files.ts';
import { type FileReader, FilesUnavailable } from './file-tools.ts';
import { openMount } from './nbd-mount.ts';
import { ntfsFiles } from './ntfs-files.ts';
import { addVaultOptions, openVault, UsageError, type VaultOptions } from './vault-options.ts';

/** Directories and inodes are read again and again; file content once. */
const CACHE_BYTES = 128 * MIB;
/** Ranges named in the sentence about damage. */
const NAMED_RANGES = 20;

/** Bytes that the file, or the way to it, needs are damaged in the vault. */
export class DamagedFile extends Failure {
  static override readonly failureName = 'DamagedFile';
}

interface FilesOptions extends VaultOptions {
  readonly vm?: string;
  readonly disk?: string;
  readonly partition?: number;
  readonly to?: string;
  readonly json?: boolean;
}

export function addFiles(program: Command): void {
  addVaultOptions(program.command('files'))
    .argument('<point>', 'name of the restore point, a unique beginning of it, or "latest"')
    .argument('<path>', 'a directory to list, or with --to a file to extract')
    .description('list or extract files of an ext2/3/4 or NTFS file system in a restore point, without restoring it')
    .option('--vm <uuid or name>', 'the VM, where the point alone does not say')
    .option('--disk <uuid, position or name>', 'the disk, where the VM has several')
    .option('--partition <number>', 'the partition, from 1; left out where the file system fills the disk', parseNumber)
    .option('--to <file>', 'extract the file to here')
    .option('--json', 'the listing, or what was extracted, as one JSON object')
    .addHelpText(
      'after',
      `
Needs nbdfuse (package nbdfuse or libnbd-bin), and debugfs (e2fsprogs) or ntfsls and ntfscat (ntfs-3g). For other file
systems mount the point: blockferry serve, then guestfish --ro --format=raw -a nbd://127.0.0.1:10809/0 -i.

Examples:
  blockferry files latest /etc --partition 1 --vm web-1 --vault s3://my-vault
  blockferry files latest /etc/fstab --to fstab --partition 1 --vm web-1 --vault s3://my-vault
`,
    )
    .action(files);
}

async function files(name: string, path: string, options: FilesOptions): Promise<void> {
  if (!/^\/[^"\n]*$/.test(path)) throw new UsageError('the path begins with / and holds no quotation mark');
  using vault = openVault(options);
  const point = await findPoint(vault.store, { point: name, vm: options.vm });
  const disk = diskOfPoint(point, options.disk);
  const content = await DiskContent.open(vault.store, disk);
  const whole = new VaultExport(content, { name: '0', description: disk.name, cacheBytes: CACHE_BYTES });
  const damaged: DiskRange[] = [];
  const served = new PartitionExport(whole, await rangeOf(whole, options.partition), (failure, range) => {
    if (isDamage(failure)) damaged.push(range);
  });
  const folder = await mkdtemp(join(tmpdir(), 'blockferry-files-'));
  try {
    const readerOf = await fileReader(served, options.partition, whole);
    await using server = await NbdServer.start({ disks: [served], listen: { path: join(folder, 'nbd') } });
    await using mount = await openMount(server.uri, join(folder, 'disk'));
    await answer(readerOf(mount.path), path, options);
  } catch (failure) {
    if (damaged.length > 0 && (failure instanceof FilesUnavailable || isDamage(failure))) {
      throw damagedFile(path, damaged, failure);
    }
    throw failure;
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function answer(reader: FileReader, path: string, options: FilesOptions): Promise<void> {
  if (options.to !== undefined) {
    const to = resolve(options.to);
    const bytes = await extract(reader, path, to);
    if (options.json) process.stdout.write(`${JSON.stringify({ path, to, bytes })}\n`);
  } else if (options.json) {
    process.stdout.write(`${JSON.stringify({ path, entries: await reader.entries(path) })}\n`);
  } else process.stdout.write(await reader.listing(path));
}

const bytesOf = (disk: ServedDisk) => async (offset: number, length: number) => {
  const bytes = Math.min(length, disk.diskBytes - offset);
  return bytes <= 0 ? Buffer.alloc(0) : Buffer.concat(await disk.read(offset, bytes));
};

async function rangeOf(disk: ServedDisk, wanted: number | undefined): Promise<DiskRange> {
  if (wanted === undefined) return { start: 0, end: disk.diskBytes };
  const partitions = await readPartitions(bytesOf(disk));
  const found = partitions.find(({ number }) => number === wanted);
  if (found !== undefined) return { start: found.offsetBytes, end: found.offsetBytes + found.lengthBytes };
  const there = partitions.map(({ number }) => number).join(', ');
  throw new UsageError(`the disk has no partition ${wanted}; it has ${there === '' ? 'none' : there}`);
}

/** Looks before a tool does, so that the sentence can say what is there instead. */
async function fileReader(
  served: ServedDisk,
  partition: number | undefined,
  whole: ServedDisk,
): Promise<(image: string) => FileReader> {
  const kind = fileSystemKind(await bytesOf(served)(0, FILE_SYSTEM_HEAD_BYTES));
  if (kind === 'ext2/3/4') return extFiles;
  if (kind === 'NTFS') return ntfsFiles;
  const where = partition === undefined ? 'the disk' : `partition ${partition}`;
  const partitions = partition === undefined ? await readPartitions(bytesOf(whole)) : [];
  if (partitions.length > 0) {
    const list = partitions.map(({ number, lengthBytes }) => `${number} (${formatBytes(lengthBytes)})`).join(', ');
    throw new UsageError(`the disk is partitioned; say which one by --partition: ${list}`);
  }
  throw new FilesUnavailable(
    `${where} begins with ${kind ?? 'no file system that is known here'}, and only ext2/3/4 and NTFS can be read; use ` +
      'blockferry serve with guestfish',
  );
}

/** The file has its name only when all of it is there. Answers its size. */
async function extract(reader: FileReader, path: string, to: string): Promise<number> {
  if (to.includes('"')) throw new UsageError('--to holds no quotation mark');
  const partial = `${to}.partial`;
  for (const taken of [to, partial])
    if (await isThere(taken)) throw new UsageError(`${taken} exists already; name another file or move it away`);
  const meantBytes = await reader.fileBytes(path);
  try {
    await reader.extract(path, partial);
    const { size } = await stat(partial);
    if (size !== meantBytes) throw new FilesUnavailable(`${path} has ${meantBytes} bytes, of which ${size} came`);
    await rename(partial, to);
  } catch (failure) {
    await rm(partial, { force: true });
    throw failure;
  }
  return meantBytes;
}

function damagedFile(path: string, ranges: readonly DiskRange[], cause: Failure): DamagedFile {
  const named = [...new Set(ranges.map(({ start, end }) => `${start}-${end - 1}`))];
  const more = named.length > NAMED_RANGES ? ` and ${named.length - NAMED_RANGES} more ranges` : '';
  return new DamagedFile(
    `${path} could not be read: the vault is damaged within bytes ${named.slice(0, NAMED_RANGES).join(', ')}${more} of the ` +
      `disk. ${cause.message}. Another point may hold them intact`,
    { cause },
  );
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return false;
    throw cause;
  }
}

function parseNumber(text: string): number {
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new InvalidArgumentError('write a number from 1');
  return Number(text);
}
