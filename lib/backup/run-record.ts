/**
 * runs/<run>/run.json: how far a run has come on the host. Every step reads it first and saves it after each effect, so
 * that the next call, a retry or the sweeper knows what is there.
 *
 * ```
 * found -> enabling -> asked -> snapshotting -> snapshotted -> comparing -> compared      one state for each disk
 *      \_____________/                                      \______________/
 *        CBT is on, or cannot be                              there is no base to compare with
 * ```
 *
 * A task that the host does not know any more leads back to the state before it.
 */

import * as z from 'zod/mini';
import {
  countField,
  diskIdField,
  documentHead,
  encodeDocument,
  packIdField,
  parseDocument,
  runIdField,
  sha256Field,
  timeField,
  vmIdField,
} from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { planBase } from '#lib/format/plan.ts';
import { ObjectNotFound } from '#lib/store/failures.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { RunId } from '#lib/units.ts';
import { taskRef } from '#lib/xapi/wire-types.ts';

const snapshotFacts = {
  /** UUID of the snapshot. */
  snapshot: diskIdField,
  snapshotTime: timeField,
  diskBytes: countField,
  changedBlocks: z.boolean(),
  /** Given when the snapshot was asked for more than once: a second one is none of these. */
  strays: z.optional(z.object({ known: z.array(diskIdField) })),
};

/**
 * `known` are the snapshots that were there before. `attempts` counts how often a snapshot may have been asked for: an
 * answer can be lost, and after more than one attempt there may be more than one snapshot.
 */
const asking = { known: z.array(diskIdField), since: timeField, attempts: countField };

const fullBecause = z.object({ because: z.string(), cure: z.string() });

const diskProgress = z.discriminatedUnion('step', [
  z.object({ step: z.literal('found') }),
  z.object({ step: z.literal('enabling'), task: taskRef, attempts: countField }),
  /** A snapshot is about to be asked for. */
  z.object({ step: z.literal('asked'), ...asking }),
  z.object({ step: z.literal('snapshotting'), task: taskRef, ...asking }),
  z.object({ step: z.literal('snapshotted'), ...snapshotFacts }),
  z.object({ step: z.literal('comparing'), ...snapshotFacts, task: taskRef }),
  z.object({
    step: z.literal('compared'),
    ...snapshotFacts,
    plannedGrains: countField,
    bitmapSha256: z.optional(sha256Field),
    /** Packs of the base whose live grains are planned although they did not change. */
    rewrites: z.optional(z.array(packIdField)),
    full: z.optional(fullBecause),
    readsAllBecause: z.optional(z.string()),
  }),
]);

const remark = z.object({ what: z.string(), why: z.string() });

const runDisk = z.object({
  disk: diskIdField,
  name: z.string(),
  device: z.string(),
  bootable: z.boolean(),
  sr: z.string(),
  /** What keeps the disk from being tracked, when something does. */
  untracked: z.optional(fullBecause),
  /** Whether tracking was already on when the run began; if not, no earlier snapshot can be compared with. */
  trackedBefore: z.boolean(),
  /** The ledger's head when the run began: what the changed blocks count from and what the new point is built on. */
  base: z.optional(planBase),
  progress: diskProgress,
});

const runRecord = z.object({
  ...documentHead,
  run: runIdField,
  vm: vmIdField,
  vmName: z.string(),
  pool: z.string(),
  execution: z.string(),
  started: timeField,
  /** Reader slots of the pool that the run holds: it reads with no more. */
  readers: z.optional(countField),
  state: z.enum(['preparing', 'ready', 'released']),
  disks: z.array(runDisk),
  /** Disks of the VM that cannot be backed up. */
  skipped: z.array(z.object({ disk: diskIdField, why: z.string() })),
  /** The proof of what the run did to the host: put there, taken off, meant to stay, and what could not be removed. */
  created: z.array(z.string()),
  removed: z.array(z.string()),
  stays: z.array(remark),
  left: z.array(remark),
  /** When release-host first met something that was still in use. */
  releasingSince: z.optional(timeField),
});

export type Remark = Readonly<z.infer<typeof remark>>;
export type Because = Readonly<z.infer<typeof fullBecause>>;
export type DiskProgress = Readonly<z.infer<typeof diskProgress>>;
export type RunDisk = Readonly<z.infer<typeof runDisk>>;
export type RunRecord = Readonly<z.infer<typeof runRecord>>;
export type ComparedDisk = RunDisk & { readonly progress: Extract<DiskProgress, { step: 'compared' }> };

export async function readRunRecord(store: ObjectStore, run: RunId): Promise<RunRecord | undefined> {
  const key = vaultKeys.run(run);
  try {
    return parseDocument(runRecord, await store.get(key), key);
  } catch (cause) {
    if (cause instanceof ObjectNotFound) return undefined;
    throw cause;
  }
}

export async function saveRunRecord(store: ObjectStore, record: RunRecord): Promise<void> {
  await store.put(vaultKeys.run(record.run), encodeDocument(record));
}
