/** What the next runs of a VM will read and store: from its own points where it has some, else from its sizes. */

import { shardBytes } from '#lib/backup/shards.ts';
import type { InventoryVm } from '#lib/format/inventory.ts';
import type { VmPoint } from '#lib/format/point.ts';
import type { Bytes } from '#lib/units.ts';
import type { RunWork, Workload } from './estimate.ts';

/** Points that tell the usual day: a month of them. */
const POINTS_LOOKED_AT = 30;
/** Share of the allocated bytes that changes in a day, and stored bytes for one read, where nothing was measured. */
const USUAL_CHANGE = 0.02;
export const USUAL_RATIO = 0.5;

export interface Sizes {
  readonly fullBytes: Bytes;
  readonly incrementBytes: Bytes;
  readonly storedRatio: number;
  /** Where the figures come from, for people. */
  readonly source: string;
}

/** A disk of which nothing is known but what is allocated. */
export function sizesOfAllocated(allocatedBytes: Bytes): Sizes {
  return {
    fullBytes: allocatedBytes,
    incrementBytes: allocatedBytes * USUAL_CHANGE,
    storedRatio: USUAL_RATIO,
    source: 'the allocated size; 2 % of it changing between runs and 50 % left after compression are assumed',
  };
}

/** A full reads what is allocated, and tells how well that compresses. */
export function sizesOfFull(full: VmPoint | undefined): Sizes | undefined {
  if (full === undefined) return undefined;
  const allocatedBytes = full.disks.reduce((sum, { plannedBytes }) => sum + plannedBytes, 0);
  const storedBytes = full.disks.reduce((sum, disk) => sum + disk.storedBytes, 0);
  return {
    ...sizesOfAllocated(allocatedBytes),
    storedRatio: storedBytes / Math.max(1, allocatedBytes),
    source: 'what its full read and stored; 2 % of it changing between runs is assumed',
  };
}

export function allocatedBytesOf({ disks }: Pick<InventoryVm, 'disks'>): Bytes {
  return disks.reduce((sum, { allocatedBytes }) => sum + allocatedBytes, 0);
}

/** `points` oldest first; undefined when none of them is an increment. */
export function sizesOfPoints(points: readonly VmPoint[]): Sizes | undefined {
  const read = ({ disks }: VmPoint) => disks.reduce((sum, { plannedBytes }) => sum + plannedBytes, 0);
  const stored = ({ disks }: VmPoint) => disks.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  const isFull = ({ disks }: VmPoint) => disks.some(({ kind }) => kind === 'full');
  const increments = points.filter((point) => !isFull(point)).slice(-POINTS_LOOKED_AT);
  const full = points.findLast(isFull);
  if (increments.length === 0) return undefined;
  const sum = (of: (point: VmPoint) => number, among: readonly VmPoint[]) =>
    among.reduce((total, point) => total + of(point), 0);
  const measured = full === undefined ? increments : [full, ...increments];
  return {
    fullBytes: full === undefined ? sum(({ disks }) => sumDisks(disks), points.slice(-1)) : read(full),
    incrementBytes: sum(read, increments) / increments.length,
    storedRatio: sum(stored, measured) / Math.max(1, sum(read, measured)),
    source: `changed blocks and stored bytes of the last ${increments.length} increments`,
  };
}

const sumDisks = (disks: VmPoint['disks']) => disks.reduce((sum, { diskBytes }) => sum + diskBytes, 0);

/** Cuts the work as the workflow would. */
function workOf(bytes: Bytes, readers: number): RunWork {
  return { bytes, shards: Math.max(1, Math.ceil(bytes / shardBytes(bytes, readers))) };
}

export function workloadOf(
  { fullBytes, incrementBytes, storedRatio }: Sizes,
  plan: { readonly readers: number; readonly runsPerMonth: number; readonly kept: number },
): Workload {
  return {
    full: workOf(fullBytes, plan.readers),
    increment: workOf(incrementBytes, plan.readers),
    incrementsPerMonth: plan.runsPerMonth,
    incrementsKept: plan.kept,
    storedRatio,
  };
}
