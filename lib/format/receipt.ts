/**
 * A receipt says what became of every planned grain of a part of a shard. That it exists means that the part is done and
 * its pack and pack index are complete.
 */

import * as z from 'zod/mini';
import type { GrainCount } from '#lib/units.ts';
import { countField, diskIdField, documentHead, packIdField, runIdField, sha256Field } from './document.ts';
import { DamagedObject } from './failures.ts';
import { rewritingPass } from './planned-grains.ts';
import { requestCounts } from './request-counts.ts';

/** Stored in the pack; the n-th such grain of a part is slot n of its pack. */
export const OUTCOME_DATA = 0;
/** Nothing but zeros; not stored. */
export const OUTCOME_ZERO = 1;
/** Same content as in the base; not stored again. */
export const OUTCOME_UNCHANGED = 2;

/**
 * How the host that was read from proved who it is: it showed the very certificate that its API names, one with the same
 * public key, or one issued by it; `none` is a connection without TLS, which only a lab allows.
 */
export const hostCheck = z.enum(['certificate', 'public-key', 'authority', 'none']);
export type HostCheck = z.infer<typeof hostCheck>;

export const receipt = z.object({
  ...documentHead,
  run: runIdField,
  disk: diskIdField,
  pass: z.optional(rewritingPass),
  shard: countField,
  /** From 0; a shard that took several calls has one part for each. */
  part: countField,
  firstGrain: countField,
  endGrain: countField,
  data: countField,
  zero: countField,
  unchanged: countField,
  /** Two bits for each grain of [firstGrain, endGrain) that the pass plans, in order, lowest bits first, base64. */
  outcomes: z.string(),
  /** Absent when no grain had to be stored. */
  pack: z.optional(
    z.object({
      pack: packIdField,
      bytes: countField,
      crc32: countField,
      frames: countField,
      indexBytes: countField,
      indexSha256: sha256Field,
    }),
  ),
  measured: z.object({
    nbdBytes: countField,
    nbdRequests: countField,
    durationMs: countField,
    /** Absent in documents of versions that did not record it. */
    hostCheck: z.optional(hostCheck),
    /** Requests of the call that wrote this receipt, its own PUT included; absent where nobody counted. */
    requests: z.optional(requestCounts),
  }),
});

export type Receipt = Readonly<z.infer<typeof receipt>>;

/** Two-bit outcomes of the planned grains of a part, in disk order. */
export class Outcomes {
  readonly grains: GrainCount;
  readonly #bytes: Buffer;

  constructor(grains: GrainCount, bytes?: Buffer) {
    this.grains = grains;
    this.#bytes = bytes ?? Buffer.alloc(Math.ceil(grains / 4));
  }

  static of(document: Receipt, where: string): Outcomes {
    const grains = document.data + document.zero + document.unchanged;
    const bytes = Buffer.from(document.outcomes, 'base64');
    if (bytes.length !== Math.ceil(grains / 4)) {
      throw new DamagedObject(`receipt ${where} has ${bytes.length} bytes of outcomes for ${grains} grains`);
    }
    return new Outcomes(grains, bytes);
  }

  get(position: number): number {
    return ((this.#bytes[position >>> 2] ?? 0) >>> ((position & 3) * 2)) & 3;
  }

  set(position: number, outcome: number): void {
    const at = position >>> 2;
    this.#bytes[at] = (this.#bytes[at] ?? 0) | (outcome << ((position & 3) * 2));
  }

  /** How many grains have each outcome, by its code; codes beyond the known three are the receipt's damage. */
  tally(): readonly [data: number, zero: number, unchanged: number, unknown: number] {
    const counts: [number, number, number, number] = [0, 0, 0, 0];
    for (let position = 0; position < this.grains; position++) {
      const outcome = this.get(position);
      if (outcome === OUTCOME_DATA) counts[0]++;
      else if (outcome === OUTCOME_ZERO) counts[1]++;
      else if (outcome === OUTCOME_UNCHANGED) counts[2]++;
      else counts[3]++;
    }
    return counts;
  }

  /** The first `grains` outcomes as they stand in a receipt. */
  encode(grains: GrainCount): string {
    return this.#bytes.toString('base64', 0, Math.ceil(grains / 4));
  }
}
