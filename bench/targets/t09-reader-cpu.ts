/**
 * T9: CPU of the whole reader on incompressible data. The bound is absolute, so the figure holds for one machine at one
 * time; nbdcopy, read in turn with it, tells how fast that was.
 */

import { GIB, MIB } from '#lib/units.ts';
import type { Outcome } from '../measuring/outcome.ts';
import { alternate, medianOf, ratio } from '../measuring/pairs.ts';
import type { Stage } from '../stage/stage.ts';
import { readWithNbdcopy } from './sequential-read.ts';
import { ReaderStage } from './whole-reader.ts';

export async function measure(stage: Stage): Promise<Outcome> {
  await using reader = await ReaderStage.open(stage, await stage.noise(1));
  const pairs = await alternate({
    ours: () => reader.copy('packs'),
    peer: () => readWithNbdcopy(reader.source.address, { requests: 4, requestBytes: MIB }),
  });
  const gib = reader.diskBytes / GIB;
  const yardstick = medianOf(pairs.peer, 'cpuSeconds') / gib;
  return {
    peer: 'absolute',
    claims: [{ unit: 'CPU s/GiB', figure: medianOf(pairs.ours, 'cpuSeconds') / gib, bound: { atMost: 3 } }],
    details: [
      `nbdcopy alone takes ${yardstick.toFixed(2)} CPU s/GiB here and now, and the reader ${ratio(pairs, 'cpuSeconds').toFixed(2)} x that`,
    ],
  };
}
