/** State read-shard: one shard from the host's NBD server into packs of the vault. */

import { recordIfFailed } from '#lib/backup/call-records.ts';
import { collectRarely } from '#lib/backup/rare-collections.ts';
import { readShard } from '#lib/backup/read-shard.ts';
import { connectNbd } from '#lib/nbd/connect.ts';
import { parseRunId } from '#lib/units.ts';
import { readShard as contract } from '#lib/workflow/read-shard.ts';
import { stepHandler } from './handler.ts';
import { randomness, systemClock, vaultStore } from './wiring.ts';

collectRarely();

export const handler = stepHandler(contract, (environment) => {
  const ports = { store: vaultStore(environment), connect: connectNbd, clock: systemClock, random: randomness };
  return (item, { deadline, signal }) =>
    recordIfFailed(ports, { run: parseRunId(item.runId), step: contract, stage: 'before-point' }, () =>
      readShard({ ...ports, deadline, signal }, item),
    );
});
