/** Brings one disk one step further on the host; what is slow there is a task that is looked at again later. */

import { startEnableCbt } from '#lib/xapi/cbt.ts';
import { CbtSwitchFailed, DiskUnsupported, HostRefusal } from '#lib/xapi/failures.ts';
import { findVdi, readVdi, startVdiSnapshot, type VdiRecord } from '#lib/xapi/vdi.ts';
import { nothing, type VdiRef, vdiRef } from '#lib/xapi/wire-types.ts';
import { compareWithBase, endComparing } from './compare-disk.ts';
import type { DiskContext } from './disk-context.ts';
import { mayBeFrom, snapshotsOf } from './disk-snapshots.ts';
import { lookAtTask } from './look-at-task.ts';
import type { Because, DiskProgress, RunDisk } from './run-record.ts';
import { markSnapshot } from './snapshot-mark.ts';

type Step<Name extends DiskProgress['step']> = Extract<DiskProgress, { step: Name }>;

/** The disk after its next step; the very same object while the host is still busy with it. */
export async function advanceDisk(context: DiskContext, disk: RunDisk): Promise<RunDisk> {
  const { progress } = disk;
  switch (progress.step) {
    case 'found':
      return begin(context, disk, 1);
    case 'enabling':
      return endEnabling(context, disk, progress);
    default: {
      const next = await afterEnabling(context, disk, progress);
      return next === progress ? disk : { ...disk, progress: next };
    }
  }
}

function afterEnabling(
  context: DiskContext,
  disk: RunDisk,
  progress: Exclude<DiskProgress, Step<'found' | 'enabling'>>,
): Promise<DiskProgress> {
  switch (progress.step) {
    case 'asked':
      return snapshot(context, disk, progress);
    case 'snapshotting':
      return endSnapshotting(context, disk, progress);
    case 'snapshotted':
      return compareWithBase(context, disk, progress);
    case 'comparing':
      return endComparing(context, disk, progress);
    case 'compared':
      return Promise.resolve(progress);
  }
}

async function begin(context: DiskContext, disk: RunDisk, attempts: number): Promise<RunDisk> {
  if (disk.trackedBefore || disk.untracked !== undefined) return ask(context, disk);
  try {
    const { task } = await startEnableCbt(context.session, await findVdi(context.session, disk.disk));
    return { ...disk, progress: { step: 'enabling', task, attempts } };
  } catch (failure) {
    return ask(context, { ...disk, untracked: whyUntrackable(failure, attempts) });
  }
}

/** The first snapshot after tracking is fully on is the first that can be a base; one made earlier is useless. */
async function endEnabling(context: DiskContext, disk: RunDisk, progress: Step<'enabling'>): Promise<RunDisk> {
  const { task, attempts } = progress;
  try {
    const look = await lookAtTask(context.session, { task, result: nothing }, `enabling tracking on ${disk.disk}`);
    if (look.kind === 'pending') return disk;
    // Enabling is idempotent: when nobody knows how it ended, it is asked for again.
    return look.kind === 'gone' ? begin(context, disk, attempts) : ask(context, disk);
  } catch (failure) {
    if (failure instanceof CbtSwitchFailed && attempts === 1) return begin(context, disk, 2);
    return ask(context, { ...disk, untracked: whyUntrackable(failure, attempts) });
  }
}

/** Refusals with which the disk is still backed up, in full each time; everything else is thrown on. */
function whyUntrackable(failure: unknown, attempts: number): Because {
  const lasting =
    failure instanceof DiskUnsupported ||
    (failure instanceof HostRefusal && failure.reaction === 'full') ||
    (failure instanceof CbtSwitchFailed && attempts > 1);
  if (!lasting) throw failure;
  return { because: failure.code === 'LICENCE_RESTRICTION' ? 'licence' : 'cbt-refused', cure: failure.message };
}

/** Saved before the snapshot is asked for: when the answer is lost, what was not there before can be recognised. */
async function ask(context: DiskContext, disk: RunDisk): Promise<RunDisk> {
  const known = (await snapshotsOf(context.session, disk.disk)).map(({ uuid }) => uuid);
  return { ...disk, progress: { step: 'asked', known, since: context.now(), attempts: 1 } };
}

async function snapshot(context: DiskContext, disk: RunDisk, progress: Step<'asked'>): Promise<DiskProgress> {
  if (context.resumed) return adoptOrAskAgain(context, disk, progress);
  const { task } = await startVdiSnapshot(context.session, await findVdi(context.session, disk.disk));
  return { ...progress, step: 'snapshotting', task };
}

/** The earlier request may be waiting on the host still; the attempts tell release-host to look for its snapshot. */
async function adoptOrAskAgain(
  context: DiskContext,
  disk: RunDisk,
  progress: Step<'asked' | 'snapshotting'>,
): Promise<DiskProgress> {
  const { known, since, attempts } = progress;
  const mine = (await snapshotsOf(context.session, disk.disk)).find((record) =>
    mayBeFrom(record, { vault: context.vault, run: context.run, known }),
  );
  if (mine !== undefined) return adopt(context, { disk, progress, ref: mine.ref });
  return { step: 'asked', known, since, attempts: attempts + 1 };
}

async function endSnapshotting(
  context: DiskContext,
  disk: RunDisk,
  progress: Step<'snapshotting'>,
): Promise<DiskProgress> {
  const started = { task: progress.task, result: vdiRef };
  const look = await lookAtTask(context.session, started, `the snapshot of ${disk.disk}`);
  switch (look.kind) {
    case 'pending':
      return progress;
    case 'gone':
      return adoptOrAskAgain(context, disk, progress);
    case 'ended':
      return adopt(context, { disk, progress, ref: look.result });
  }
}

async function adopt(
  { session, vault, run }: DiskContext,
  job: { readonly disk: RunDisk; readonly progress: Step<'asked' | 'snapshotting'>; readonly ref: VdiRef },
): Promise<Step<'snapshotted'>> {
  const record = await readVdi(session, job.ref);
  await markSnapshot(session, { ref: job.ref, uuid: record.uuid }, { vault, run, disk: job.disk.disk });
  const { attempts, known } = job.progress;
  return { step: 'snapshotted', ...factsOf(record), ...(attempts > 1 ? { strays: { known } } : {}) };
}

function factsOf(record: VdiRecord) {
  return {
    snapshot: record.uuid,
    snapshotTime: record.snapshotTime,
    diskBytes: record.virtualBytes,
    changedBlocks: record.cbt === 'enabled',
  };
}
