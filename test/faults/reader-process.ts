/** The reader that is ended: it reads until the first bytes are there, says so, and then waits or hoards memory. */

import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { readShard } from '#lib/backup/read-shard.ts';
import { connectNbd } from '#lib/nbd/connect.ts';
import { Secret } from '#lib/secret.ts';
import { underPrefix } from '#lib/store/prefixed-store.ts';
import { s3Store } from '#lib/store/s3.ts';
import { hastyClock } from '../fakes/lone-site.ts';
import type { ReaderJob } from './killed-reader.ts';

/** Longer than anybody waits before the kill. */
const WAIT_MS = 60_000;
const MAX_HOARDED = 100_000_000;

const { vault, shard, next }: ReaderJob = JSON.parse(process.argv[2] ?? '');
const { accessKeyId, secretAccessKey } = vault.credentials;
const credentials = { accessKeyId, secretAccessKey: new Secret(secretAccessKey) };
const store = s3Store({ bucket: vault.bucket, endpoint: vault.endpoint, credentials });
await readShard(
  {
    store: underPrefix(store, vault.prefix),
    clock: hastyClock,
    random: randomBytes,
    signal: new AbortController().signal,
    deadline: new Date(Date.now() + 900_000),
    async connect(address, options) {
      const source = await connectNbd(address, options);
      return {
        exportBytes: source.exportBytes,
        async readInto(offsetBytes, target) {
          await source.readInto(offsetBytes, target);
          process.send?.('reading');
          if (next === 'wait') await delay(WAIT_MS);
          const hoard: object[] = [];
          while (hoard.length < MAX_HOARDED) hoard.push({ length: hoard.length });
        },
        close: () => source.close(),
      };
    },
  },
  shard,
);
