/** The credentials of a folder that the embedded server serves, kept in the folder. */

import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Credentials } from './signature.ts';

/** Made at the first start and readable by their owner only: a restart must not lock its clients out. */
export async function keptCredentials(folder: string): Promise<Credentials> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, 'credentials.json');
  const fresh: Credentials = {
    accessKeyId: `LOCAL${randomBytes(8).toString('hex').toUpperCase()}`,
    secretAccessKey: randomBytes(30).toString('base64url'),
  };
  try {
    await writeFile(path, `${JSON.stringify(fresh, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
    return fresh;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  const kept: unknown = JSON.parse(await readFile(path, 'utf8'));
  if (!isCredentials(kept)) throw new Error(`${path} does not hold accessKeyId and secretAccessKey`);
  return kept;
}

function isCredentials(value: unknown): value is Credentials {
  if (typeof value !== 'object' || value === null) return false;
  return (
    'accessKeyId' in value &&
    typeof value.accessKeyId === 'string' &&
    'secretAccessKey' in value &&
    typeof value.secretAccessKey === 'string'
  );
}
