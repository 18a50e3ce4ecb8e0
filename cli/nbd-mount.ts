/** An NBD export as a file of this machine, by nbdfuse, for tools that read files only. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { stat, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Failure } from '#lib/failure.ts';

const POLL_MS = 50;
/** nbdfuse is there in a tenth of a second; the first read of the vault may take some. */
const MAX_POLLS = 200;
/** Whoever still looks into the mount keeps libfuse from ending; the kernel then takes it away all the same. */
const UNMOUNT_LIMIT_MS = 10_000;

/** The file could not be made: nbdfuse is not installed, or FUSE may not be used here. */
export class CannotMount extends Failure {
  static override readonly failureName = 'CannotMount';
}

export interface Mount extends AsyncDisposable {
  readonly path: string;
}

/** `path` becomes the export until the mount is disposed of. */
export async function openMount(uri: string, path: string): Promise<Mount> {
  await writeFile(path, '');
  const fuse = spawn('nbdfuse', ['--readonly', path, uri], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  fuse.stderr.on('data', (text) => {
    said += String(text);
  });
  fuse.on('error', (error) => {
    said += error.message;
  });
  for (let poll = 0; poll < MAX_POLLS; poll++) {
    if ((await stat(path)).size > 0) return { path, [Symbol.asyncDispose]: () => unmount(fuse) };
    if (fuse.exitCode !== null || fuse.pid === undefined) break;
    await delay(POLL_MS);
  }
  fuse.kill();
  throw new CannotMount(`nbdfuse does not show the disk (${said.trim()}); install libnbd-bin, and allow /dev/fuse`);
}

/** libfuse unmounts when its process is asked to end. */
async function unmount(fuse: ChildProcess): Promise<void> {
  const ended = once(fuse, 'exit');
  fuse.kill('SIGTERM');
  const stuck = setTimeout(() => fuse.kill('SIGKILL'), UNMOUNT_LIMIT_MS);
  await ended;
  clearTimeout(stuck);
}
