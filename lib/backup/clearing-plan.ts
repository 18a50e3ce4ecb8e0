/**
 * Decides which snapshots of a run's disk have to go from the host. What stays is the snapshot that the newest point of
 * the disk was read from: its data dropped, its record of changes kept as the base of the next run.
 *
 * | snapshot | fate |
 * |---|---|
 * | base of the newest point of a disk that exists | data dropped, record of changes stays |
 * | made by this run, and not that base | destroyed |
 * | made by this run without its knowledge (lost answer) | destroyed |
 * | made by a run that was released before, and not that base | destroyed: older base, or stale after a lost chain |
 * | made by a run that may be alive, by another vault, by others | untouched |
 */

import type { ObjectStore } from '#lib/store/object-store.ts';
import type { DiskId } from '#lib/units.ts';
import { readHead } from '#lib/vault/ledger.ts';
import { ManifestReader } from '#lib/vault/manifest-reader.ts';
import type { XapiCaller } from '#lib/xapi/session.ts';
import { attachedDisks, findVdiRecord, type ListedVdi, mayBeFrom, snapshotsOf } from './disk-snapshots.ts';
import { isTaskPending } from './look-at-task.ts';
import { type RunDisk, type RunRecord, readRunRecord } from './run-record.ts';
import { markOf } from './snapshot-mark.ts';

export interface ClearingFacts {
  readonly store: ObjectStore;
  readonly session: XapiCaller;
  readonly vault: string;
  /** The run that is cleared away; nothing of it may be alive. */
  readonly record: RunRecord;
}

/** What is done with one snapshot, and why; `keep` drops its data only. */
export interface SnapshotFate {
  readonly kind: 'destroy' | 'keep';
  readonly snapshot: DiskId;
  /** The disk that it was made of, of whose newest point it must not be the base when it is destroyed. */
  readonly disk: DiskId;
  readonly why: string;
}

export interface DiskClearing {
  readonly fates: readonly SnapshotFate[];
  /** The host is still making a snapshot, whose name nobody knows yet. */
  readonly beingMade: boolean;
}

export async function planClearing(facts: ClearingFacts, disk: RunDisk): Promise<DiskClearing> {
  if (await isBeingMade(facts, disk)) return { fates: [], beingMade: true };
  const base = await usefulBase(facts, disk.disk);
  const fates = new Map<DiskId, SnapshotFate>();
  for (const snapshot of await ownSnapshots(facts, disk)) {
    fates.set(snapshot, fateOf(snapshot, disk.disk, { base, why: `run ${facts.record.run} made it and is over` }));
  }
  for (const { uuid } of await releasedSnapshots(facts, disk)) {
    const why = 'a released run left it, and the newest point has another base';
    if (uuid !== base && !fates.has(uuid)) fates.set(uuid, { kind: 'destroy', snapshot: uuid, disk: disk.disk, why });
  }
  return { fates: [...fates.values()], beingMade: false };
}

/** The snapshot with which the next run of this disk compares; undefined when it cannot compare with any. */
export async function baseSnapshot(store: ObjectStore, disk: DiskId): Promise<DiskId | undefined> {
  const head = await readHead(store, disk);
  if (head === undefined) return undefined;
  const { source } = (await ManifestReader.open(store, head.entry.manifest)).header;
  return source.changedBlocks ? source.snapshot : undefined;
}

/** A disk that was removed, reverted or moved has no next run: its base is of no use to anybody. */
async function usefulBase({ store, session }: ClearingFacts, disk: DiskId): Promise<DiskId | undefined> {
  const lives = (await findVdiRecord(session, disk)) !== undefined;
  return lives ? baseSnapshot(store, disk) : undefined;
}

/** Why a base stays on the host; part of every proof. */
export const BASE_STAYS = 'the next run counts changes from it';

function fateOf(snapshot: DiskId, disk: DiskId, facts: { base: DiskId | undefined; why: string }): SnapshotFate {
  return snapshot === facts.base
    ? { kind: 'keep', snapshot, disk, why: BASE_STAYS }
    : { kind: 'destroy', snapshot, disk, why: facts.why };
}

async function isBeingMade({ session }: ClearingFacts, { progress }: RunDisk): Promise<boolean> {
  return progress.step === 'snapshotting' && isTaskPending(session, progress.task);
}

/** What the run made of the disk, also what it does not know of because it died or an answer was lost. */
async function ownSnapshots(facts: ClearingFacts, disk: RunDisk): Promise<readonly DiskId[]> {
  const { progress } = disk;
  switch (progress.step) {
    case 'found':
    case 'enabling':
      return [];
    case 'asked':
    case 'snapshotting':
      return strays(facts, disk, progress);
    case 'snapshotted':
    case 'comparing':
    case 'compared': {
      const others = progress.strays === undefined ? [] : await strays(facts, disk, progress.strays);
      return [progress.snapshot, ...others];
    }
  }
}

async function strays(
  { session, vault, record }: ClearingFacts,
  disk: RunDisk,
  { known }: { readonly known: readonly DiskId[] },
): Promise<readonly DiskId[]> {
  const candidates: ListedVdi[] = [];
  for (const parent of await parentsOf(session, record, disk)) candidates.push(...(await snapshotsOf(session, parent)));
  return candidates.filter((vdi) => mayBeFrom(vdi, { vault, run: record.run, known })).map(({ uuid }) => uuid);
}

/** The disk itself; after a revert or a move, the disks that its VM got since, which own its snapshots now. */
async function parentsOf(session: XapiCaller, record: RunRecord, { disk }: RunDisk): Promise<readonly DiskId[]> {
  if ((await findVdiRecord(session, disk)) !== undefined) return [disk];
  const attached = await attachedDisks(session, record.vm);
  return attached.filter((uuid) => record.disks.every((known) => known.disk !== uuid));
}

/** Snapshots of runs that were released: a run that may still be alive has not been. */
async function releasedSnapshots(facts: ClearingFacts, { disk }: RunDisk): Promise<readonly ListedVdi[]> {
  const released: ListedVdi[] = [];
  for (const snapshot of await snapshotsOf(facts.session, disk)) {
    const mark = markOf(snapshot, facts.vault);
    if (mark === undefined || mark.run === facts.record.run || mark.disk !== disk) continue;
    const maker = await readRunRecord(facts.store, mark.run);
    // Records outlive their runs: one that is gone was tidied away long after its run.
    if (maker === undefined || maker.state === 'released') released.push(snapshot);
  }
  return released;
}
