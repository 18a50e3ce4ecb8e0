/** T3: speed, CPU and memory of the same read, beside Xen Orchestra's client at the best of its settings. */

import { MIB } from '#lib/units.ts';
import { bothSides, type Outcome } from '../measuring/outcome.ts';
import { alternate, median, ratio, speed } from '../measuring/pairs.ts';
import type { NbdAddress } from '../stage/nbd-source.ts';
import type { Stage } from '../stage/stage.ts';
import { noiseSource, READ_BYTES, readOurs, readWithVates } from './sequential-read.ts';

/** What Xen Orchestra uses, and what might be faster. */
const SETTINGS = [
  { connections: 1, blockBytes: 2 * MIB, inFlight: 10 },
  { connections: 1, blockBytes: MIB, inFlight: 10 },
  { connections: 4, blockBytes: MIB, inFlight: 16 },
];
const PROBES = 3;

export async function measure(stage: Stage): Promise<Outcome> {
  await using source = await noiseSource(stage);
  const best = await fastest(stage, source.address);
  const pairs = await alternate({
    ours: () => readOurs(stage, source.address),
    peer: () => readWithVates(stage, source.address, best),
  });
  const { connections, blockBytes, inFlight } = best;
  const settings = `${connections} connections, ${inFlight} blocks of ${blockBytes / MIB} MiB in flight`;
  return {
    peer: '@vates/nbd-client',
    claims: [
      { unit: 'x GiB/s', figure: speed(pairs), bound: { atLeast: 1.3 } },
      { unit: 'x CPU', figure: ratio(pairs, 'cpuSeconds'), bound: { atMost: 0.65 } },
      { unit: 'x RSS', figure: ratio(pairs, 'peakMib'), bound: { atMost: 0.6 } },
    ],
    details: [bothSides(`peer with ${settings}`, pairs, { ours: READ_BYTES, peer: READ_BYTES })],
  };
}

async function fastest(stage: Stage, address: NbdAddress): Promise<(typeof SETTINGS)[number]> {
  const timed = SETTINGS.map((settings) => ({ settings, seconds: [] as number[] }));
  for (let probe = 0; probe < PROBES; probe++) {
    for (const { settings, seconds } of timed) seconds.push((await readWithVates(stage, address, settings)).seconds);
  }
  const [first, ...others] = timed;
  if (first === undefined) throw new Error('there are no settings to choose from');
  return others.reduce((a, b) => (median(b.seconds) < median(a.seconds) ? b : a), first).settings;
}
