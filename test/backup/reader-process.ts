/** A reader in a process of its own, so that a test can kill it: one shard, from the simulator into an S3 server. */

import { randomBytes } from 'node:crypto';
import { readShard } from '#lib/backup/read-shard.ts';
import { connectNbd } from '#lib/nbd/connect.ts';
import { Secret } from '#lib/secret.ts';
import { s3Store } from '#lib/store/s3.ts';
import { hastyClock } from '../fakes/lone-site.ts';

const { endpoint, credentials, shard } = JSON.parse(process.argv[2] ?? '');
const store = s3Store({
  bucket: 'vault',
  endpoint,
  region: 'us-east-1',
  credentials: { accessKeyId: credentials.accessKeyId, secretAccessKey: new Secret(credentials.secretAccessKey) },
});
await readShard(
  {
    store,
    clock: hastyClock,
    random: randomBytes,
    connect: connectNbd,
    signal: new AbortController().signal,
    deadline: new Date(Date.now() + 900_000),
  },
  shard,
);
