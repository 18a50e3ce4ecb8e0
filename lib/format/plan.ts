/** The plan of a run: written once when the host is ready, followed by every later step, never changed. */

import * as z from 'zod/mini';
import {
  countField,
  diskIdField,
  documentHead,
  packIdField,
  runIdField,
  sha256Field,
  timeField,
  vmIdField,
} from './document.ts';
import { manifestAddress } from './ledger.ts';
import type { rewritingPass } from './planned-grains.ts';

const cause = z.object({
  /** Machine-readable reason of a full that could have been incremental, and what to do about it. */
  because: z.string(),
  cure: z.string(),
});

/** A ledger entry that a new point is built on. */
export const planBase = z.object({ seq: countField, entrySha256: sha256Field, manifest: manifestAddress });

export const diskPlan = z.object({
  disk: diskIdField,
  /** The host's names, for people. */
  name: z.string(),
  /** Position on the VM: "0", "1", ... */
  device: z.string(),
  bootable: z.boolean(),
  diskBytes: countField,
  /** UUID of the snapshot that is read, and of the SR it is on. */
  snapshot: diskIdField,
  snapshotTime: timeField,
  sr: z.string(),
  /** Whether the snapshot carries changed block tracking, so that the next run may ask for changes since it. */
  changedBlocks: z.boolean(),
  kind: z.enum(['incremental', 'full']),
  /** Why it is a full; absent for increments. */
  full: z.optional(cause),
  /** What the new point is built on: the ledger's head. Also present for a full of a disk that has points. */
  base: z.optional(planBase),
  /** Of both passes together. */
  plannedGrains: countField,
  /** Digest of the bitmap object; absent in plans of versions that did not record it. */
  bitmapSha256: z.optional(sha256Field),
  /** Packs of the base to write anew: what they hold counts as changed although it is not. */
  rewrites: z.optional(z.array(packIdField)),
});

export const runPlan = z.object({
  ...documentHead,
  run: runIdField,
  vm: vmIdField,
  vmName: z.string(),
  pool: z.string(),
  execution: z.string(),
  started: timeField,
  readers: countField,
  storageClass: z.optional(z.enum(['STANDARD', 'INTELLIGENT_TIERING', 'STANDARD_IA', 'GLACIER_IR'])),
  metadataKey: z.optional(z.string()),
  /** What the run writes is locked so, for times that follow from the rules by which points are kept. */
  lock: z.optional(
    z.object({ mode: z.enum(['GOVERNANCE', 'COMPLIANCE']), retention: z.record(z.string(), z.number()) }),
  ),
  disks: z.array(diskPlan),
});

export type DiskPlan = Readonly<z.infer<typeof diskPlan>>;
export type RunPlan = Readonly<z.infer<typeof runPlan>>;

/** The share of the planned grains of one pass over a disk that one reader takes; a line of shards.jsonl. */
export interface Shard {
  readonly runId: string;
  readonly shard: number;
  readonly disk: string;
  readonly pass?: z.infer<typeof rewritingPass> | undefined;
  readonly firstGrain: number;
  readonly endGrain: number;
  readonly plannedGrains: number;
}
