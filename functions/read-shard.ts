/** State read-shard: one shard from the host's NBD server into packs of the vault. */

import { collectRarely } from '#lib/backup/rare-collections.ts';
import { readShard } from '#lib/backup/read-shard.ts';
import { connectNbd } from '#lib/nbd/connect.ts';
import { readShard as contract } from '#lib/workflow/read-shard.ts';
import { stepHandler } from './handler.ts';
import { randomness, systemClock, vaultStore } from './wiring.ts';

collectRarely();

export const handler = stepHandler(contract, (environment) => {
  const store = vaultStore(environment);
  return (item, { deadline, signal }) =>
    readShard({ store, connect: connectNbd, clock: systemClock, random: randomness, deadline, signal }, item);
});
