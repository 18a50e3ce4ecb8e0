/** Real disk content without root: an ext4 image full of files, and a second one in which some of them changed. */

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { constants, copyFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MIB = 1_048_576;
/** What the changes of a day leave behind in the image. */
const NEW_FILES = 40;
const NEW_FILE_BYTES = 256 * 1024;
const REMOVED_FILES = 25;

export interface FilesystemImage {
  readonly path: string;
  readonly bytes: number;
  readonly files: number;
}

/** An ext4 filesystem that holds a copy of `folder`, at least as large as `minBytes`. */
export async function makeImage(path: string, { folder, minBytes }: { folder: string; minBytes: number }) {
  const { files, bytes: contentBytes } = await measure(folder);
  // ext4 takes some 15 % for itself with many small files.
  const bytes = Math.max(minBytes, Math.ceil((contentBytes * 1.35) / (64 * MIB)) * 64 * MIB);
  await run('mke2fs', ['-q', '-t', 'ext4', '-d', folder, path, `${bytes / MIB}M`]);
  return { path, bytes, files };
}

async function measure(folder: string): Promise<{ files: number; bytes: number }> {
  let files = 0;
  let bytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    files += 1;
    bytes += (await stat(join(entry.parentPath, entry.name))).size;
  }
  return { files, bytes };
}

/** The image after a day of work: some files removed, some added, through the filesystem itself. */
export async function changeImage(
  before: FilesystemImage,
  { path, folder, scratch }: { path: string; folder: string; scratch: string },
): Promise<{ removed: number; added: number }> {
  await copyFile(before.path, path, constants.COPYFILE_FICLONE);
  const commands: string[] = [];
  const all = await readdir(folder, { recursive: true, withFileTypes: true });
  const victims = all.filter((entry) => entry.isFile() && entry.name.endsWith('.md')).slice(0, REMOVED_FILES);
  for (const { parentPath, name } of victims) commands.push(`rm "/${relative(folder, join(parentPath, name))}"`);
  for (let i = 0; i < NEW_FILES; i++) {
    const file = join(scratch, `new-${i}`);
    await writeFile(file, randomBytes(NEW_FILE_BYTES));
    commands.push(`write ${file} new-file-${i}`);
  }
  const script = join(scratch, 'changes');
  await writeFile(script, `${commands.join('\n')}\n`);
  await run('debugfs', ['-w', '-f', script, path]);
  return { removed: victims.length, added: NEW_FILES };
}
