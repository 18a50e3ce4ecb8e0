/** `npm run s3 -- --dir DIR`: the embedded server in the foreground, for a small site that keeps its vault on a disk. */

import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { startS3Server } from './server.ts';
import type { Credentials } from './signature.ts';

interface Options {
  readonly dir: string;
  readonly port: string;
  readonly region: string;
  readonly bucket: readonly string[];
}

const command = new Command('s3')
  .description('Serves S3 on loopback from a folder. One server per folder.')
  .requiredOption('--dir <folder>', 'where objects and credentials are kept')
  .option('--port <number>', 'TCP port on 127.0.0.1; 0 chooses a free one', '9700')
  .option('--region <name>', 'region that clients have to sign for', 'us-east-1')
  .option('--bucket <name...>', 'buckets to make if they are not there yet', [])
  .action(serve);
await command.parseAsync();

async function serve({ dir, port, region, bucket }: Options): Promise<void> {
  const credentials = await keptCredentials(dir);
  const server = await startS3Server({ directory: dir, port: Number(port), region, buckets: bucket, credentials });
  console.log(`AWS_ENDPOINT_URL_S3=${server.endpoint}`);
  console.log(`AWS_REGION=${region}`);
  console.log(`AWS_ACCESS_KEY_ID=${credentials.accessKeyId}`);
  console.log(`AWS_SECRET_ACCESS_KEY=${credentials.secretAccessKey}`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.stop());
}

/** Made at the first start and readable by their owner only: a restart must not lock its clients out. */
async function keptCredentials(folder: string): Promise<Credentials> {
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
