/** `npm run s3 -- --dir DIR`: the embedded server in the foreground, for a small site that keeps its vault on a disk. */

import { Command } from 'commander';
import { keptCredentials } from './kept-credentials.ts';
import { startS3Server } from './server.ts';

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
  // Before the first line is out: who reads it may already want the server to end.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.stop());
  console.log(`AWS_ENDPOINT_URL_S3=${server.endpoint}`);
  console.log(`AWS_REGION=${region}`);
  console.log(`AWS_ACCESS_KEY_ID=${credentials.accessKeyId}`);
  console.log(`AWS_SECRET_ACCESS_KEY=${credentials.secretAccessKey}`);
}
