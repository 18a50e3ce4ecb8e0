/** Which grains changed, in patterns that are the same in every run. */

import { writeFile } from 'node:fs/promises';
import { GrainBitmap } from '#lib/format/grain-bitmap.ts';
import { type Bytes, GRAIN_BYTES, type GrainCount, grainsCovering, MIB } from '#lib/units.ts';
import type { Stage } from './stage.ts';

/** A generator of our own: the same pattern on every machine. */
export function randomNumbers(seed: number): () => number {
  let state = BigInt(seed) + 1n;
  return () => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffff_ffff_ffff_ffffn;
    return Number(state >> 11n) / 2 ** 53;
  };
}

/** Single grains at random places of a disk. */
export function scatteredGrains(diskBytes: Bytes, count: GrainCount): GrainBitmap {
  const random = randomNumbers(1);
  const changed = new GrainBitmap(grainsCovering(diskBytes));
  for (let added = 0; added < count; ) {
    const grain = Math.floor(random() * changed.grains);
    if (changed.has(grain)) continue;
    changed.add(grain);
    added++;
  }
  return changed;
}

export function bitmapFile(stage: Stage, name: string, changed: GrainBitmap): Promise<string> {
  return stage.made(name, (path) => writeFile(path, changed.toBytes()));
}

const PEER_BLOCK_GRAINS = (2 * MIB) / GRAIN_BYTES;

/** What Xen Orchestra reads of these changes: every aligned 2 MiB that holds one. */
export function peerBytes(changed: GrainBitmap): Bytes {
  let blocks = 0;
  for (let first = 0; first < changed.grains; first += PEER_BLOCK_GRAINS) {
    const end = Math.min(changed.grains, first + PEER_BLOCK_GRAINS);
    if (changed.countIn({ first, end }) > 0) blocks++;
  }
  return blocks * PEER_BLOCK_GRAINS * GRAIN_BYTES;
}
