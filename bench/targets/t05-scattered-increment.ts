/**
 * T5: random grains, 1 % of a disk, at 20 ms, beside Xen Orchestra, which reads the 2 MiB around each. Both read 12 of the
 * 100 GiB, which already is 3.3 GiB for the peer; useful are the changed grains alone.
 */

import { GIB, GRAIN_BYTES, MIB } from '#lib/units.ts';
import { runClient } from '../clients/run-client.ts';
import { bothSides, type Outcome } from '../measuring/outcome.ts';
import { alternate, speed } from '../measuring/pairs.ts';
import { bitmapFile, peerBytes, scatteredGrains } from '../stage/changes.ts';
import { farAway, startSource } from '../stage/nbd-source.ts';
import type { Stage } from '../stage/stage.ts';

const DISK_GIB = 100;
const READ_BYTES = 12 * GIB;
const CHANGED_SHARE = 0.01;
const ROUND_TRIP_MS = 20;

export async function measure(stage: Stage): Promise<Outcome> {
  const changed = scatteredGrains(READ_BYTES, Math.round((READ_BYTES / GRAIN_BYTES) * CHANGED_SHARE));
  const usefulBytes = changed.count() * GRAIN_BYTES;
  await using source = await startSource(stage, ['pattern', `${DISK_GIB}G`]);
  await using far = await farAway(source.address, ROUND_TRIP_MS);
  const input = {
    address: far.address,
    bytes: READ_BYTES,
    connections: 1,
    changed: await bitmapFile(stage, 'scattered', changed),
  };
  const pairs = await alternate({
    ours: () => runClient(stage, 'clients/read-export.ts', { input }),
    peer: () =>
      runClient(stage, 'peers/read-with-vates.mjs', { input: { ...input, blockBytes: 2 * MIB, inFlight: 10 } }),
  });
  return {
    peer: '@vates/nbd-client',
    claims: [{ unit: 'x useful bytes per second', figure: speed(pairs), bound: { atLeast: 8 } }],
    details: [
      bothSides('useful bytes', pairs, { ours: usefulBytes, peer: usefulBytes }),
      `changed ${(usefulBytes / MIB).toFixed(0)} MiB; the peer reads ${(peerBytes(changed) / MIB).toFixed(0)} MiB`,
    ],
  };
}
