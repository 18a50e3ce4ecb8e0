/**
 * SCATTERED: what an increment of random grains, 1 % of 100 GiB, reads and uploads before compression, beside what the
 * peer's rule of 2 MiB blocks would. The whole reader runs; what it asked for and stored is counted, not timed.
 */

import { GIB, GRAIN_BYTES } from '#lib/units.ts';
import type { Outcome } from '../measuring/outcome.ts';
import { peerBytes, scatteredGrains } from '../stage/changes.ts';
import type { Stage } from '../stage/stage.ts';
import { readIncrement } from './increment.ts';

const DISK_BYTES = 100 * GIB;
const CHANGED_GRAINS = DISK_BYTES / GRAIN_BYTES / 100;

export async function measure(stage: Stage): Promise<Outcome> {
  const changed = scatteredGrains(DISK_BYTES, CHANGED_GRAINS);
  const changedBytes = changed.count() * GRAIN_BYTES;
  const read = await readIncrement(stage, { diskBytes: DISK_BYTES, changed });
  const byRule = peerBytes(changed);
  return {
    peer: "@vates/nbd-client's rule of 2 MiB",
    claims: [
      { unit: 'x changed bytes read', figure: read.nbdBytes / changedBytes, bound: { atMost: 1.05 } },
      { unit: 'x changed bytes packed', figure: read.contentBytes / changedBytes, bound: { atMost: 1.05 } },
    ],
    details: [
      `changed ${(changedBytes / GIB).toFixed(2)} GiB; read ${(read.nbdBytes / GIB).toFixed(2)} GiB in ${read.nbdRequests} requests`,
      `by the rule of 2 MiB: ${(byRule / GIB).toFixed(2)} GiB, ${(byRule / changedBytes).toFixed(1)} x the changed bytes`,
    ],
  };
}
