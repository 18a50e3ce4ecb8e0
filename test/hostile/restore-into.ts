/** Restores a disk of 4 MiB into a folder on a file system of its own, small at first: `restore-into.ts FOLDER`, in a mount namespace. */

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { restoreRawFile } from '#lib/restore/restore-to-path.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { LoneDisk } from '../fakes/lone-disk.ts';

const [, , folder = ''] = process.argv;
const mount = (options: string) => execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder]);
mount('size=1m');
const disk = new LoneDisk();
const content = randomBytes(4 * 1_048_576);
await disk.backUp(content);
const restore = async () =>
  restoreRawFile(await DiskContent.open(disk.store, { disk: disk.disk, seq: 1 }), join(folder, 'disk.raw'));
const failure = await restore().catch((error: unknown) => error);
const left = await readdir(folder);
mount('remount,size=16m');
await restore();
const equal = content.equals(await readFile(join(folder, 'disk.raw')));
process.stdout.write(
  JSON.stringify({ failure: failure instanceof Error ? [failure.name, failure.message] : [], left, equal }),
);
