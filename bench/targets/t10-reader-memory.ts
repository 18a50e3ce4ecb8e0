/** T10: the most memory that a whole reader holds, with parts of 8 and of 32 MiB. */

import { MIB } from '#lib/units.ts';
import type { Outcome } from '../measuring/outcome.ts';
import { PAIRS } from '../measuring/pairs.ts';
import type { Stage } from '../stage/stage.ts';
import { ReaderStage } from './whole-reader.ts';

const BOUNDS = [
  { partMib: 8, atMostMib: 200 },
  { partMib: 32, atMostMib: 256 },
];

export async function measure(stage: Stage): Promise<Outcome> {
  await using reader = await ReaderStage.open(stage, await stage.noise(1));
  const peaks = new Map<number, number[]>(BOUNDS.map(({ partMib }) => [partMib, []]));
  for (let run = 0; run < PAIRS; run++) {
    for (const [partMib, mib] of peaks) mib.push((await reader.copy('packs', partMib * MIB)).peakMib);
  }
  return {
    peer: 'absolute',
    claims: BOUNDS.map(({ partMib, atMostMib }) => ({
      unit: `MiB with parts of ${partMib} MiB`,
      figure: Math.max(...(peaks.get(partMib) ?? [])),
      bound: { atMost: atMostMib },
    })),
    details: ['the largest of five runs each, noise'],
  };
}
