/** T2: CPU of the same read, beside nbdcopy with four requests of 1 MiB under way, where it needs the least. */

import { MIB } from '#lib/units.ts';
import { bothSides, type Outcome } from '../measuring/outcome.ts';
import { alternate, ratio } from '../measuring/pairs.ts';
import type { Stage } from '../stage/stage.ts';
import { noiseSource, READ_BYTES, readOurs, readWithNbdcopy } from './sequential-read.ts';

export async function measure(stage: Stage): Promise<Outcome> {
  await using source = await noiseSource(stage);
  const pairs = await alternate({
    ours: () => readOurs(stage, source.address),
    peer: () => readWithNbdcopy(source.address, { requests: 4, requestBytes: MIB }),
  });
  return {
    peer: 'nbdcopy',
    claims: [{ unit: 'x CPU s/GiB', figure: ratio(pairs, 'cpuSeconds'), bound: { atMost: 1.2 } }],
    details: [bothSides('1 connection', pairs, { ours: READ_BYTES, peer: READ_BYTES })],
  };
}
