/**
 * What a run reads of a disk, in two passes: the grains that may have changed, and grains that did not but are written
 * anew because the packs that hold them go. Each pass has packs of its own, so that what lasts does not share a pack
 * with what is overwritten every day. The stored form is one object of the run:
 *
 * ```
 * bits of the changed grains | bits of the rewritten grains, left out when there are none
 * ```
 */

import * as z from 'zod/mini';
import { type Bytes, type GrainCount, indexAfter } from '#lib/units.ts';
import { DamagedObject } from './failures.ts';
import { GrainBitmap, type GrainRun } from './grain-bitmap.ts';
import { sha256Of } from './manifest.ts';

/** In shards and receipts; the first pass is the one that is not named. */
export const rewritingPass = z.literal('rewritten');
export type Pass = 'changed' | z.infer<typeof rewritingPass>;
export const PASSES = ['changed', 'rewritten'] as const satisfies readonly Pass[];

export class PlannedGrains {
  readonly changed: GrainBitmap;
  readonly rewritten: GrainBitmap;

  /** No grain may be in both. */
  constructor(changed: GrainBitmap, rewritten = new GrainBitmap(changed.grains)) {
    this.changed = changed;
    this.rewritten = rewritten;
  }

  /** Throws DamagedObject unless the bytes are those of a disk of so many grains and, where it is known, the digest's. */
  static parse(
    bytes: Buffer,
    { key, grains, sha256 }: { key: string; grains: GrainCount; sha256?: string | undefined },
  ) {
    const passBytes = bitmapBytes(grains);
    const fits = bytes.length === passBytes || bytes.length === 2 * passBytes;
    if (!fits || (sha256 !== undefined && sha256Of(bytes) !== sha256)) {
      throw new DamagedObject(`${key} is not the one that was planned by: it was changed or cut; start a new run`);
    }
    const planned = new PlannedGrains(
      new GrainBitmap(grains, bytes.subarray(0, passBytes)),
      new GrainBitmap(grains, bytes.subarray(passBytes)),
    );
    for (const run of planned.rewritten.runsIn({ first: 0, end: indexAfter(grains) })) {
      if (planned.changed.countIn(run) > 0) throw new DamagedObject(`${key} plans grains from ${run.first} on twice`);
    }
    return planned;
  }

  get grains(): GrainCount {
    return this.changed.grains;
  }

  of(pass: Pass): GrainBitmap {
    return this[pass];
  }

  count(): GrainCount {
    return this.changed.count() + this.rewritten.count();
  }

  countIn(run: GrainRun): GrainCount {
    return this.changed.countIn(run) + this.rewritten.countIn(run);
  }

  toBytes(): Buffer {
    const passes = this.rewritten.count() === 0 ? [this.changed] : [this.changed, this.rewritten];
    return Buffer.concat(passes.map((bitmap) => bitmap.toBytes()));
  }
}

/** Where in the stored object one pass has the bits of the grains [first, end); `first` is a multiple of 8. */
export function bitsRange(pass: Pass, { first, end }: GrainRun, grains: GrainCount): { start: Bytes; end: Bytes } {
  const from = pass === 'changed' ? 0 : bitmapBytes(grains);
  return { start: from + first / 8, end: from + Math.ceil(end / 8) };
}

const bitmapBytes = (grains: GrainCount): Bytes => Math.ceil(grains / 8);
