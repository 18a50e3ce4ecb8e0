/** Files of NTFS, by ntfsls and ntfscat of ntfs-3g. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import {
  type FileReader,
  FilesUnavailable,
  oneLine,
  outputOf,
  TOOL_DEADLINE_MS,
  toolEnvironment,
} from './file-tools.ts';

const NTFSLS = { command: 'ntfsls', debianPackage: 'ntfs-3g' };

/** A point is what a running Windows had on its disk, and so marked as in use. The tools only read. */
const IN_USE_TOO = '--force';

/** `image` holds the file system from its first byte on. */
export function ntfsFiles(image: string): FileReader {
  const listing = async (path: string): Promise<string> => {
    const words = [IN_USE_TOO, '--all', '--long', '--classify', '--path', path, image];
    const { stdout, stderr } = await outputOf(NTFSLS, words);
    if (stdout === '' && stderr !== '') throw new FilesUnavailable(`ntfsls did not list ${path}: ${oneLine(stderr)}`);
    return stdout;
  };
  return {
    listing,
    entries: async (path) => parseListing(await listing(path)),
    extract: (path, to) => cat(image, path, to),
    async fileBytes(path) {
      // Of a file ntfsls prints the one line; of a directory those of its entries, "." among them.
      const [found, ...others] = parseListing(await listing(path));
      if (found?.bytes === undefined || others.length > 0) throw new FilesUnavailable(`${path} is no regular file`);
      return found.bytes;
    },
  };
}

/** ntfscat ends with 0 after a read that failed: whatever else it says is a failure. */
async function cat(image: string, path: string, to: string): Promise<void> {
  const child = spawn('ntfscat', [IN_USE_TOO, image, path], {
    env: toolEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TOOL_DEADLINE_MS,
  });
  let said = '';
  child.stderr.on('data', (text) => {
    said += String(text);
  });
  const closed = once(child, 'close');
  await Promise.all([pipeline(child.stdout, createWriteStream(to, { flags: 'wx' })), closed]);
  const [code, signal] = await closed;
  // It warns of a disk in use, which every point is.
  const complaint = said.replace(/^WARNING: .*$/gm, '').trim();
  if (code === 0 && complaint === '') return;
  const reason = complaint === '' ? `it ended with ${code ?? signal}` : oneLine(complaint);
  throw new FilesUnavailable(`ntfscat did not read ${path}: ${reason}`);
}

interface NtfsEntry {
  readonly name: string;
  readonly directory: boolean;
  readonly modified: string;
  /** Absent of a directory. */
  readonly bytes?: number;
}

/** Lines of ntfsls: size, month, day, time and year of the last change, name with / behind a directory's. */
function parseListing(text: string): readonly NtfsEntry[] {
  return text.split('\n').flatMap((line) => {
    const [, bytes, modified, name] = /^ *(\d+) (\w{3} [ \d]\d \d\d:\d\d \d{4}) (.+)$/.exec(line) ?? [];
    if (name === undefined || modified === undefined) return [];
    const directory = name.endsWith('/');
    const facts = { name: directory ? name.slice(0, -1) : name, directory, modified };
    return [directory ? facts : { ...facts, bytes: Number(bytes) }];
  });
}
