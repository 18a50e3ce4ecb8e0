/** T1: reading a disk over NBD with TLS and one connection, beside libnbd's nbdcopy at its best. */

import { MIB } from '#lib/units.ts';
import { bothSides, type Outcome } from '../measuring/outcome.ts';
import { alternate, type Pairs, speed } from '../measuring/pairs.ts';
import type { Stage } from '../stage/stage.ts';
import { noiseSource, READ_BYTES, readOurs, readWithNbdcopy } from './sequential-read.ts';

/** nbdcopy's defaults are its best for one connection; for more, requests of 1 MiB are. */
const DEFAULTS = { requests: 64, requestBytes: 256 * 1024 };
const SIXTEEN_READERS = 16;

export async function measure(stage: Stage): Promise<Outcome> {
  await using source = await noiseSource(stage);
  const beside = (connections: number, settings: { requests: number; requestBytes: number }): Promise<Pairs> =>
    alternate({
      ours: () => readOurs(stage, source.address, connections),
      peer: () => readWithNbdcopy(source.address, { ...settings, connections }),
    });
  const one = await beside(1, DEFAULTS);
  const more: string[] = [];
  for (const connections of [4, SIXTEEN_READERS]) {
    const pairs = await beside(connections, { requests: 4, requestBytes: MIB });
    more.push(sides(`${connections} connections, ${speed(pairs).toFixed(2)} x`, pairs));
  }
  return {
    peer: 'nbdcopy',
    claims: [{ unit: 'x GiB/s', figure: speed(one), bound: { atLeast: 0.95 } }],
    details: [sides('1 connection', one), ...more],
  };
}

function sides(what: string, pairs: Pairs): string {
  return bothSides(what, pairs, { ours: READ_BYTES, peer: READ_BYTES });
}
