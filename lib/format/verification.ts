/**
 * What was looked at, when, how closely, and what was found. Level 1 looks at chain, digests of manifests and listed
 * sizes; level 2 reads a share of the packs; level 3 reads a point as a restore does. Level 0 is the commit itself: the
 * entry in the ledger is its record.
 */

import * as z from 'zod/mini';
import { countField, diskIdField, documentHead, packIdField, runIdField, sha256Field, timeField } from './document.ts';

export const finding = z.object({
  key: z.string(),
  what: z.string(),
  /** Numbers of the points that need the object. */
  points: z.array(countField),
});

export const verification = z.object({
  ...documentHead,
  disk: diskIdField,
  level: z.union([z.literal(1), z.literal(2), z.literal(3)]),
  time: timeField,
  /** The newest entry then: a later ledger that lacks it was rolled back. */
  head: z.object({ seq: countField, sha256: sha256Field }),
  scope: z.object({
    points: z.array(countField),
    packs: countField,
    /** Bytes of packs that were read; 0 at level 1. */
    readBytes: countField,
    /** Level 2: packs whose id falls into share `part` of `of`, from 0. */
    share: z.optional(z.object({ part: countField, of: countField })),
  }),
  findings: z.array(finding),
});

/** A pack that was found damaged: the next run reads the grains that it holds from the source again. */
export const damage = z.object({
  ...documentHead,
  disk: diskIdField,
  run: runIdField,
  pack: packIdField,
  time: timeField,
  what: z.string(),
});

export type Finding = Readonly<z.infer<typeof finding>>;
export type Verification = Readonly<z.infer<typeof verification>>;
export type Damage = Readonly<z.infer<typeof damage>>;
