/** The password of a host: from a file, or from the environment; never from the command line, which others can see. */

import { readFile } from 'node:fs/promises';
import { Secret } from '#lib/secret.ts';
import { UsageError } from './vault-options.ts';

/** The first line of the file; without a file BLOCKFERRY_PASSWORD. Throws UsageError. */
export async function readPassword(file: string | undefined): Promise<Secret> {
  const text = file === undefined ? process.env['BLOCKFERRY_PASSWORD'] : await firstLine(file);
  if (text === undefined || text === '') {
    throw new UsageError('no password was given; use --password-file, or set BLOCKFERRY_PASSWORD');
  }
  return new Secret(text);
}

async function firstLine(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).split('\n')[0];
  } catch (cause) {
    throw new UsageError(
      `the password file ${file} cannot be read; name a file that holds the password in its first line`,
      { cause },
    );
  }
}
