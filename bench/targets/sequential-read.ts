/** The three targets of a whole read over NBD with TLS share their sides. */

import { GIB, MIB } from '#lib/units.ts';
import { type ClientReport, runClient } from '../clients/run-client.ts';
import { runMeasured, type Usage } from '../measuring/command.ts';
import { type NbdAddress, type NbdSource, startSource } from '../stage/nbd-source.ts';
import type { Stage } from '../stage/stage.ts';

const READ_GIB = 2;
export const READ_BYTES = READ_GIB * GIB;
/** Eight requests of 1 MiB under way: what a near server keeps busy with, in memory that stays in the cache. */
const NEAR_RING_BYTES = 8 * MIB;

export async function noiseSource(stage: Stage): Promise<NbdSource> {
  return startSource(stage, ['file', await stage.noise(READ_GIB)]);
}

export function readOurs(stage: Stage, address: NbdAddress, connections = 1): Promise<ClientReport> {
  const ringBytes = NEAR_RING_BYTES;
  return runClient(stage, 'clients/read-export.ts', { input: { address, bytes: READ_BYTES, connections, ringBytes } });
}

/** Without extents: asking for them makes nbdcopy slower on a file that has no holes. */
export function readWithNbdcopy(
  { port }: NbdAddress,
  { requests, requestBytes, connections = 1 }: { requests: number; requestBytes: number; connections?: number },
): Promise<Usage> {
  return runMeasured([
    'nbdcopy',
    '--no-extents',
    `--connections=${connections}`,
    `--requests=${requests}`,
    `--request-size=${requestBytes}`,
    `nbds://localhost:${port}/?tls-verify-peer=false`,
    'null:',
  ]);
}

export function readWithVates(
  stage: Stage,
  address: NbdAddress,
  settings: { connections: number; blockBytes: number; inFlight: number },
): Promise<ClientReport> {
  return runClient(stage, 'peers/read-with-vates.mjs', { input: { address, bytes: READ_BYTES, ...settings } });
}
