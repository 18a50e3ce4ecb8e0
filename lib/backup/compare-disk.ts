/** Finds out which grains of a disk have to be read: those that changed since the base, or all with the reason why. */

import { GrainBitmap, type GrainRun } from '#lib/format/grain-bitmap.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { sha256Of } from '#lib/format/manifest.ts';
import { PlannedGrains } from '#lib/format/planned-grains.ts';
import { type Bytes, GRAIN_BYTES, grainsCovering, indexAfter } from '#lib/units.ts';
import type { ManifestReader } from '#lib/vault/manifest-reader.ts';
import { readAllocatedArea } from '#lib/xapi/allocated-area.ts';
import { changedBlocks, startListChangedBlocks } from '#lib/xapi/cbt.ts';
import { HostInternalError, HostRefusal, HostUnreachable, UnexpectedReply } from '#lib/xapi/failures.ts';
import { findVdi } from '#lib/xapi/vdi.ts';
import type { DiskContext } from './disk-context.ts';
import { findVdiRecord } from './disk-snapshots.ts';
import { lookAtTask } from './look-at-task.ts';
import { planRewrites } from './rewrites.ts';
import type { Because, DiskProgress, RunDisk } from './run-record.ts';

type Step<Name extends DiskProgress['step']> = Extract<DiskProgress, { step: Name }>;

const BASE_GONE: Because = {
  because: 'base-gone',
  cure: 'Do not delete the CBT metadata snapshots that Blockferry keeps on the host.',
};

/** Asked before any NBD connection: the host's own attachment for one would make the disk busy. */
export async function compareWithBase(
  context: DiskContext,
  disk: RunDisk,
  progress: Step<'snapshotted'>,
): Promise<DiskProgress> {
  const { session, base } = context;
  const reason = whyFull(base, disk, progress);
  if ('because' in reason) return planFull(context, { disk, progress, full: reason });
  const from = await findVdiRecord(session, reason.base.header.source.snapshot);
  if (from === undefined) return planFull(context, { disk, progress, full: BASE_GONE });
  const to = await findVdi(session, progress.snapshot);
  try {
    const { task } = await startListChangedBlocks(session, { from: from.ref, to });
    return { ...progress, step: 'comparing', task };
  } catch (failure) {
    return planFull(context, { disk, progress, full: fullAfter(failure) });
  }
}

export async function endComparing(
  context: DiskContext,
  disk: RunDisk,
  progress: Step<'comparing'>,
): Promise<DiskProgress> {
  const { task, ...facts } = progress;
  const snapshotted: Step<'snapshotted'> = { ...facts, step: 'snapshotted' };
  try {
    const look = await lookAtTask(context.session, { task, result: changedBlocks }, `the comparison of ${disk.disk}`);
    if (look.kind === 'pending') return progress;
    if (look.kind === 'gone') return snapshotted;
    return await planChanged(context, { disk, progress, bits: look.result });
  } catch (failure) {
    return planFull(context, { disk, progress, full: fullAfter(failure) });
  }
}

function whyFull(
  base: ManifestReader | undefined,
  disk: RunDisk,
  progress: Step<'snapshotted'>,
): Because | { readonly base: ManifestReader } {
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
  return { base };
}

/** Failures that mean that the host cannot compare any more; everything else is not a reason to read all again. */
function fullAfter(failure: unknown): Because {
  if (failure instanceof HostRefusal && failure.reaction === 'treat-as-done') return BASE_GONE;
  if (failure instanceof HostRefusal && (failure.reaction === 'full' || failure instanceof HostInternalError)) {
    return { because: 'chain-broken', cure: `${failure.message} The next run is incremental again.` };
  }
  throw failure;
}

interface Comparison {
  readonly disk: RunDisk;
  readonly progress: Step<'snapshotted' | 'comparing'>;
}

/** A bitmap of another length would be silent about a part of the disk, and silence means unchanged. */
async function planChanged(context: DiskContext, job: Comparison & { readonly bits: Buffer }) {
  const grains = grainsCovering(job.progress.diskBytes);
  const bytes = Math.ceil(grains / 8);
  if (job.bits.length === bytes) return plan(context, { ...job, planned: new GrainBitmap(grains, job.bits) });
  const full = {
    because: 'bitmap-wrong-size',
    cure: `The host described the changes in ${job.bits.length} bytes instead of ${bytes}; report it to its vendor.`,
  };
  return planFull(context, { ...job, full });
}

/**
 * Reads what was ever written: the point's manifest takes every grain that is not planned for zeros. A host that cannot
 * say it costs time, not correctness, so that then everything is read, with the reason in the run's record.
 */
async function planFull(context: DiskContext, job: Comparison & { readonly full: Because }): Promise<DiskProgress> {
  const { snapshot, diskBytes } = job.progress;
  const planned = new GrainBitmap(grainsCovering(diskBytes));
  const { session, hosts, signal } = context;
  try {
    const table = await readAllocatedArea(session, { vdi: snapshot, hosts, signal });
    if (table.diskBytes !== diskBytes) throw new UnexpectedReply(`The export has ${table.diskBytes} bytes.`);
    for (const { start, end } of table.allocated) planned.addRun(grainsOf(start, end));
    return await plan(context, { ...job, planned });
  } catch (failure) {
    if (!(failure instanceof HostUnreachable || failure instanceof UnexpectedReply)) throw failure;
    planned.addRun({ first: 0, end: indexAfter(planned.grains) });
    return plan(context, { ...job, planned, readsAllBecause: failure.message });
  }
}

function grainsOf(start: Bytes, end: Bytes): GrainRun {
  return { first: Math.floor(start / GRAIN_BYTES), end: indexAfter(grainsCovering(end)) };
}

async function plan(
  { store, run, base, storageClass }: DiskContext,
  job: Comparison & { readonly planned: GrainBitmap; readonly full?: Because; readonly readsAllBecause?: string },
): Promise<DiskProgress> {
  const { progress, planned: changed, full, readsAllBecause } = job;
  const rewrites = base && (await planRewrites(store, base, { changed, storageClass }));
  const planned = new PlannedGrains(changed, rewrites?.grains);
  const bits = planned.toBytes();
  await store.put(vaultKeys.bitmap(run, job.disk.disk), bits);
  const { snapshot, snapshotTime, diskBytes, strays } = progress;
  return {
    step: 'compared',
    snapshot,
    snapshotTime,
    diskBytes,
    changedBlocks: progress.changedBlocks,
    ...(strays === undefined ? {} : { strays }),
    plannedGrains: planned.count(),
    bitmapSha256: sha256Of(bits),
    ...(rewrites === undefined ? {} : { rewrites: rewrites.packs }),
    ...(full === undefined ? {} : { full }),
    ...(readsAllBecause === undefined ? {} : { readsAllBecause }),
  };
}
