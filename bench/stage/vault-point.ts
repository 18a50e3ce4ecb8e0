/** A disk with one point in a vault that is served over HTTPS from memory. */

import { randomBytes } from 'node:crypto';
import { type Bytes, type DiskId, GRAIN_BYTES, MIB } from '#lib/units.ts';
import { VaultDisk } from '../../test/fakes/vault-disk.ts';
import { type Sink, startKeeper, storeOf } from './sink.ts';
import type { Stage } from './stage.ts';

export interface VaultPoint extends AsyncDisposable {
  readonly server: Sink;
  readonly disk: DiskId;
  readonly seq: number;
}

/** Grains of a pack that is written at once. */
const PACK_GRAINS = (64 * MIB) / GRAIN_BYTES;

/** `noiseBytes` of each grain do not compress, the rest does. */
export async function makePoint(
  stage: Stage,
  { diskBytes, noiseBytes }: { diskBytes: Bytes; noiseBytes: Bytes },
): Promise<VaultPoint> {
  const server = await startKeeper(stage);
  using store = storeOf(stage, server);
  const disk = new VaultDisk(store, diskBytes);
  const text = Buffer.alloc(GRAIN_BYTES - noiseBytes, 'text ');
  let seq = 0;
  for (let first = 0; first < diskBytes / GRAIN_BYTES; first += PACK_GRAINS) {
    const grains = Array.from({ length: PACK_GRAINS }, (_, i) => first + i);
    const content = () => Buffer.concat([randomBytes(noiseBytes), text]);
    seq = await disk.addPoint(new Map(grains.map((grain) => [grain, content()])));
  }
  return { server, disk: disk.disk, seq, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}
