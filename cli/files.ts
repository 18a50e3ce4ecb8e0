/** blockferry files: list or extract single files of a restore point's ext2, ext3 or ext4 file system, without a restore. */

import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { type Command, InvalidArgumentError } from 'commander';
import { Failure } from '#lib/failure.ts';
import { NbdServer } from '#lib/nbd-server/server.ts';
import { readPartitions } from '#lib/restore/partitions.ts';
import { diskOfPoint, findPoint } from '#lib/restore/points.ts';
import { VaultExport } from '#lib/restore/vault-export.ts';
import { MIB } from '#lib/units.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { openMount } from './nbd-mount.ts';
import { addVaultOptions, openVault, UsageError, type VaultOptions } from './vault-options.ts';

const run = promisify(execFile);

/** Directories and inodes are read again and again; file content once. */
const CACHE_BYTES = 128 * MIB;
/** A directory of 100,000 files lists in about 10 MiB. */
const MAX_LISTING_BYTES = 64 * MIB;
/** A large file over a slow link; a tool that hangs is ended then. */
const TOOL_DEADLINE_MS = 3_600_000;

/** The tool that knows the file system did not do what was asked. */
export class FilesUnavailable extends Failure {
  static override readonly failureName = 'FilesUnavailable';
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
    .description('list or extract files of an ext2/3/4 file system in a restore point, without restoring it')
    .option('--vm <uuid or name>', 'the VM, where the point alone does not say')
    .option('--disk <uuid, position or name>', 'the disk, where the VM has several')
    .option('--partition <number>', 'the partition, from 1; left out where the file system fills the disk', parseNumber)
    .option('--to <file>', 'extract the file to here')
    .option('--json', 'the listing, or what was extracted, as one JSON object')
    .addHelpText(
      'after',
      `
Needs nbdfuse (package nbdfuse or libnbd-bin) and debugfs (e2fsprogs). For other file systems mount the point:
blockferry serve, then guestfish --ro --format=raw -a nbd://127.0.0.1:10809/0 -i.

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
  const served = new VaultExport(content, { name: '0', description: disk.name, cacheBytes: CACHE_BYTES });
  const offsetBytes = await offsetOf(served, options.partition);
  const folder = await mkdtemp(join(tmpdir(), 'blockferry-files-'));
  try {
    await using server = await NbdServer.start({ disks: [served], listen: { path: join(folder, 'nbd') } });
    await using mount = await openMount(server.uri, join(folder, 'disk'));
    const image = offsetBytes === 0 ? mount.path : `${mount.path}?offset=${offsetBytes}`;
    if (options.to === undefined) process.stdout.write(await listing(image, path, options));
    else {
      const to = resolve(options.to);
      const bytes = await extract(image, path, to);
      if (options.json) process.stdout.write(`${JSON.stringify({ path, to, bytes })}\n`);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function offsetOf(disk: VaultExport, wanted: number | undefined): Promise<number> {
  if (wanted === undefined) return 0;
  const read = async (offset: number, length: number) => {
    const bytes = Math.min(length, disk.diskBytes - offset);
    return bytes <= 0 ? Buffer.alloc(0) : Buffer.concat(await disk.read(offset, bytes));
  };
  const partitions = await readPartitions(read);
  const found = partitions.find(({ number }) => number === wanted);
  if (found !== undefined) return found.offsetBytes;
  const there = partitions.map(({ number }) => number).join(', ');
  throw new UsageError(`the disk has no partition ${wanted}; it has ${there === '' ? 'none' : there}`);
}

/** As debugfs prints it, or its machine-readable lines as JSON. */
async function listing(image: string, path: string, { json }: FilesOptions): Promise<string> {
  if (!json) return await debugfs(image, `ls -l "${path}"`);
  const entries = parseListing(await debugfs(image, `ls -p "${path}"`));
  return `${JSON.stringify({ path, entries })}\n`;
}

/** Lines of `ls -p`: /inode/mode in octal/owner/group/name/size/, where a directory's size is left out. */
function parseListing(text: string): readonly object[] {
  return text.split('\n').flatMap((line) => {
    const [, inode, mode = '', owner, group, name, bytes] =
      /^\/(\d+)\/(\d{6})\/(\d+)\/(\d+)\/([^/]+)\/(\d*)\/$/.exec(line.trim()) ?? [];
    if (name === undefined) return [];
    const facts = { name, mode, owner: Number(owner), group: Number(group), inode: Number(inode) };
    return [bytes === '' ? facts : { ...facts, bytes: Number(bytes) }];
  });
}

/** Answers the size of the file. */
async function extract(image: string, path: string, to: string): Promise<number> {
  if (to.includes('"')) throw new UsageError('--to holds no quotation mark');
  if (await isThere(to)) throw new UsageError(`${to} exists already`);
  const said = await debugfs(image, `dump -p "${path}" "${to}"`);
  if (!(await isThere(to))) throw new FilesUnavailable(`${path} could not be extracted: ${said.trim()}`);
  return (await stat(to)).size;
}

/** debugfs ends with 0 whatever happened; its sentences come with what it printed. */
async function debugfs(image: string, request: string): Promise<string> {
  try {
    const limits = { maxBuffer: MAX_LISTING_BYTES, timeout: TOOL_DEADLINE_MS };
    const { stdout, stderr } = await run('debugfs', ['-R', request, image], limits);
    const complaint = stderr.replace(/^debugfs [^\n]*\n/, '');
    if (stdout === '' && complaint !== '') throw new FilesUnavailable(noFileSystem(complaint));
    return stdout;
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    throw new FilesUnavailable('debugfs could not be run; install e2fsprogs', { cause });
  }
}

function noFileSystem(complaint: string): string {
  return (
    `debugfs did not find what was asked: ${complaint.trim().replaceAll('\n', '; ')}. If the disk is partitioned give ` +
    '--partition; for other file systems than ext2/3/4 use blockferry serve'
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
