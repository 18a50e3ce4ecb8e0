/** T4: a whole read with 10, 20 and 50 ms of round trip, one connection, beside Xen Orchestra's ten blocks in flight. */

import { GIB, MIB } from '#lib/units.ts';
import { type ClientReport, runClient } from '../clients/run-client.ts';
import { bothSides, type Claim, type Outcome } from '../measuring/outcome.ts';
import { alternate, medianOf, type Pairs, speed } from '../measuring/pairs.ts';
import { farAway, type NbdAddress, startSource } from '../stage/nbd-source.ts';
import type { Stage } from '../stage/stage.ts';

const READ_BYTES = GIB;
/** Three times the reader's own, which is meant for the 75 MiB/s of a Lambda: rate x round trip must be under way. */
const FAR_RING_BYTES = 48 * MIB;
const XEN_ORCHESTRA = { blockBytes: 2 * MIB, inFlight: 10 };
const ROUND_TRIPS_MS = [10, 20, 50];
const LAMBDA_MIB_PER_SECOND = 75;

export async function measure(stage: Stage): Promise<Outcome> {
  await using source = await startSource(stage, ['file', await stage.noise(1)]);
  const claims: Claim[] = [];
  const details: string[] = [];
  for (const roundTripMs of ROUND_TRIPS_MS) {
    await using far = await farAway(source.address, roundTripMs);
    const read = (connections: number): Promise<Pairs> =>
      alternate({
        ours: () => readOurs(stage, far.address, connections),
        peer: () => readWithVates(stage, far.address, connections),
      });
    const one = await read(1);
    claims.push({ unit: `x GiB/s at ${roundTripMs} ms`, figure: speed(one), bound: { atLeast: 1.5 } });
    details.push(sides(`${roundTripMs} ms, 1 connection`, one));
    if (roundTripMs !== ROUND_TRIPS_MS.at(-1)) continue;
    const mibPerSecond = READ_BYTES / MIB / medianOf(one.ours, 'seconds');
    claims.push({
      unit: `MiB/s at ${roundTripMs} ms`,
      figure: mibPerSecond,
      bound: { atLeast: LAMBDA_MIB_PER_SECOND },
    });
    const four = await read(4);
    details.push(sides(`${roundTripMs} ms, 4 connections, ${speed(four).toFixed(2)} x`, four));
  }
  return { peer: '@vates/nbd-client', claims, details };
}

function readOurs(stage: Stage, address: NbdAddress, connections: number): Promise<ClientReport> {
  const ringBytes = FAR_RING_BYTES / connections;
  return runClient(stage, 'clients/read-export.ts', { input: { address, bytes: READ_BYTES, connections, ringBytes } });
}

function readWithVates(stage: Stage, address: NbdAddress, connections: number): Promise<ClientReport> {
  const input = { address, bytes: READ_BYTES, connections, ...XEN_ORCHESTRA };
  return runClient(stage, 'peers/read-with-vates.mjs', { input });
}

function sides(what: string, pairs: Pairs): string {
  return bothSides(what, pairs, { ours: READ_BYTES, peer: READ_BYTES });
}
