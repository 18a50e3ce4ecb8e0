/** Brings one disk one step further on the host; what is slow there is a task that is looked at again later. */

import { GrainBitmap } from '#lib/format/grain-bitmap.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { type DiskId, grainsCovering, indexAfter, type RunId } from '#lib/units.ts';
import type { ManifestReader } from '#lib/vault/manifest-reader.ts';
import { changedBlocks, startEnableCbt, startListChangedBlocks } from '#lib/xapi/cbt.ts';
import { HostInternalError, HostRefusal, ObjectGone } from '#lib/xapi/failures.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { destroyTask, pollTask, type StartedTask, taskResult } from '#lib/xapi/task.ts';
import { findVdi, readVdi, startVdiSnapshot, type VdiRecord } from '#lib/xapi/vdi.ts';
import { nothing, type TaskRef, type VdiRef, vdiRef } from '#lib/xapi/wire-types.ts';
import type { DiskProgress, RunDisk } from './run-record.ts';
import { isMarked, markSnapshot } from './snapshot-mark.ts';

export interface AdvanceContext {
  readonly session: XapiSession;
  readonly store: ObjectStore;
  readonly vault: string;
  readonly run: RunId;
  readonly now: () => Date;
  /** The manifest of the disk's newest point, if it has one. */
  readonly base: ManifestReader | undefined;
}

type Step<Name extends DiskProgress['step']> = Extract<DiskProgress, { step: Name }>;

/** The disk's next progress; the very same object while the host is still busy with it. */
export function advanceDisk(context: AdvanceContext, disk: RunDisk): Promise<DiskProgress> {
  const { progress } = disk;
  switch (progress.step) {
    case 'found':
      return begin(context, disk);
    case 'enabling':
      return endEnabling(context, disk, progress);
    case 'asked':
      return snapshot(context, disk, progress);
    case 'snapshotting':
      return endSnapshotting(context, disk, progress);
    case 'snapshotted':
      return compare(context, disk, progress);
    case 'comparing':
      return endComparing(context, disk, progress);
    case 'compared':
      return Promise.resolve(progress);
  }
}

async function begin(context: AdvanceContext, disk: RunDisk): Promise<DiskProgress> {
  if (disk.trackedBefore || disk.untracked !== undefined) return ask(context, disk);
  const { task } = await startEnableCbt(context.session, await findVdi(context.session, disk.disk));
  return { step: 'enabling', task };
}

/** The first snapshot after tracking is fully on is the first that can be a base; one made earlier is useless. */
async function endEnabling(context: AdvanceContext, disk: RunDisk, progress: Step<'enabling'>): Promise<DiskProgress> {
  const ended = await resultOf(context, { task: progress.task, result: nothing }, `enabling tracking on ${disk.disk}`);
  return ended.pending ? progress : ask(context, disk);
}

/**
 * Saved before the snapshot is asked for: when the answer is lost, or the function dies, the next call finds the
 * snapshot that was not there before instead of making a second one.
 */
async function ask(context: AdvanceContext, disk: RunDisk): Promise<Step<'asked'>> {
  const live = await readVdi(context.session, await findVdi(context.session, disk.disk));
  const known: DiskId[] = [];
  for (const ref of live.snapshots) known.push((await readVdi(context.session, ref)).uuid);
  return { step: 'asked', known, since: context.now() };
}

async function snapshot(context: AdvanceContext, disk: RunDisk, progress: Step<'asked'>): Promise<DiskProgress> {
  const orphan = await findOrphan(context.session, disk, progress);
  if (orphan !== undefined) return adopt(context, orphan.ref);
  const { task } = await startVdiSnapshot(context.session, await findVdi(context.session, disk.disk));
  return { ...progress, step: 'snapshotting', task };
}

/**
 * A snapshot of this disk that appeared since it was asked for, that nobody has marked, and that belongs to no snapshot
 * VM: other backup tools snapshot whole VMs, so theirs have a VBD.
 */
export async function findOrphan(
  session: XapiSession,
  disk: RunDisk,
  { known }: { readonly known: readonly DiskId[] },
): Promise<(VdiRecord & { readonly ref: VdiRef }) | undefined> {
  const live = await readVdi(session, await findVdi(session, disk.disk));
  for (const ref of live.snapshots) {
    const record = await readVdi(session, ref);
    if (!known.includes(record.uuid) && !isMarked(record) && record.vbds.length === 0) return { ...record, ref };
  }
  return undefined;
}

async function endSnapshotting(
  context: AdvanceContext,
  disk: RunDisk,
  progress: Step<'snapshotting'>,
): Promise<DiskProgress> {
  try {
    const ended = await resultOf(context, { task: progress.task, result: vdiRef }, `the snapshot of ${disk.disk}`);
    return ended.pending ? progress : adopt(context, ended.result);
  } catch (failure) {
    // The host forgets ended tasks after an hour: what the task made is still to be found.
    if (!(failure instanceof ObjectGone)) throw failure;
    return { step: 'asked', known: progress.known, since: progress.since };
  }
}

async function adopt({ session, vault, run }: AdvanceContext, ref: VdiRef): Promise<Step<'snapshotted'>> {
  const record = await readVdi(session, ref);
  await markSnapshot(session, { ref, uuid: record.uuid }, { vault, run });
  return { step: 'snapshotted', ...factsOf(record) };
}

function factsOf(record: VdiRecord) {
  return {
    snapshot: record.uuid,
    snapshotTime: record.snapshotTime,
    diskBytes: record.virtualBytes,
    changedBlocks: record.cbt === 'enabled',
  };
}

/** Asked before any NBD connection: the host's own attachment for one would make the disk busy. */
async function compare(context: AdvanceContext, disk: RunDisk, progress: Step<'snapshotted'>): Promise<DiskProgress> {
  const full = whyFull(context, disk, progress);
  if (full !== undefined) return planFull(context, { disk, progress, full });
  const { session, base } = context;
  try {
    const from = await findVdi(session, parseBaseSnapshot(base));
    const { task } = await startListChangedBlocks(session, { from, to: await findVdi(session, progress.snapshot) });
    return { ...progress, step: 'comparing', task };
  } catch (failure) {
    return planFull(context, { disk, progress, full: fullAfter(failure) });
  }
}

function parseBaseSnapshot(base: ManifestReader | undefined): DiskId {
  if (base === undefined) throw new TypeError('a disk without base is never compared');
  return base.header.source.snapshot;
}

async function endComparing(
  context: AdvanceContext,
  disk: RunDisk,
  progress: Step<'comparing'>,
): Promise<DiskProgress> {
  try {
    const started = { task: progress.task, result: changedBlocks };
    const ended = await resultOf(context, started, `the comparison of ${disk.disk}`);
    if (ended.pending) return progress;
    const changed = new GrainBitmap(grainsCovering(progress.diskBytes), ended.result);
    return await plan(context, { disk, progress, planned: changed });
  } catch (failure) {
    return planFull(context, { disk, progress, full: fullAfter(failure) });
  }
}

type Because = { readonly because: string; readonly cure: string };

function whyFull({ base }: AdvanceContext, disk: RunDisk, progress: Step<'snapshotted'>): Because | undefined {
  if (base === undefined) return { because: 'first-backup', cure: 'Nothing to do: every disk begins with a full.' };
  if (disk.untracked !== undefined) return disk.untracked;
  if (!disk.trackedBefore) {
    return { because: 'cbt-was-off', cure: 'Tracking was turned on by this run; the next run is incremental.' };
  }
  if (!progress.changedBlocks) {
    return { because: 'snapshot-without-cbt', cure: 'The snapshot came without tracking; the next run tries again.' };
  }
  if (!base.header.source.changedBlocks) {
    return {
      because: 'base-without-cbt',
      cure: 'The last point was made without tracking; the next run is incremental.',
    };
  }
  if (base.header.diskBytes > progress.diskBytes) {
    return { because: 'disk-shrank', cure: 'Nothing to do: after a disk got smaller one full is needed.' };
  }
  return undefined;
}

/** Failures that mean that the host cannot compare any more; everything else is not a reason to read all again. */
function fullAfter(failure: unknown): Because {
  if (failure instanceof ObjectGone) {
    return {
      because: 'base-gone',
      cure: 'Do not delete the CBT metadata snapshots that Blockferry keeps on the host.',
    };
  }
  if (failure instanceof HostRefusal && (failure.reaction === 'full' || failure instanceof HostInternalError)) {
    return { because: 'chain-broken', cure: `${failure.message} The next run is incremental again.` };
  }
  throw failure;
}

async function planFull(
  context: AdvanceContext,
  { disk, progress, full }: { disk: RunDisk; progress: Step<'snapshotted' | 'comparing'>; full: Because },
): Promise<DiskProgress> {
  const planned = new GrainBitmap(grainsCovering(progress.diskBytes));
  planned.addRun({ first: 0, end: indexAfter(planned.grains) });
  return plan(context, { disk, progress, planned, full });
}

async function plan(
  { store, run }: AdvanceContext,
  job: {
    readonly disk: RunDisk;
    readonly progress: Step<'snapshotted' | 'comparing'>;
    readonly planned: GrainBitmap;
    readonly full?: Because;
  },
): Promise<DiskProgress> {
  await store.put(vaultKeys.bitmap(run, job.disk.disk), job.planned.toBytes());
  const { progress, planned, full } = job;
  return {
    step: 'compared',
    snapshot: progress.snapshot,
    snapshotTime: progress.snapshotTime,
    diskBytes: progress.diskBytes,
    changedBlocks: progress.changedBlocks,
    plannedGrains: planned.count(),
    ...(full === undefined ? {} : { full }),
  };
}

/** Looks at a task once and removes its record when it has ended. */
async function resultOf<T>(
  { session }: AdvanceContext,
  started: StartedTask<T>,
  what: string,
): Promise<{ readonly pending: true } | { readonly pending: false; readonly result: T }> {
  const outcome = await pollTask(session, started);
  if (outcome.kind === 'pending') return { pending: true };
  await destroyTask(session, started.task satisfies TaskRef);
  return { pending: false, result: taskResult(outcome, what) };
}
