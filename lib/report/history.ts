/** What the report keeps of each restore point: a vault of 200,000 points is read one VM at a time. */

import { readClosing } from '#lib/cost/closings.ts';
import type { Difference } from '#lib/cost/difference.ts';
import { type Pricing, pointCost } from '#lib/cost/point-cost.ts';
import type { PointClosing } from '#lib/format/call-record.ts';
import type { VmPoint } from '#lib/format/point.ts';
import { listReadablePoints, type NamedPoint, type UnreadablePoint } from '#lib/restore/points.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { type Bytes, type DiskId, GRAIN_BYTES, parseVmId, type VmId } from '#lib/units.ts';
import { unlessDamaged } from './unless-damaged.ts';

export interface PointFacts {
  readonly name: string;
  readonly time: Date;
  readonly kind: 'full' | 'incremental';
  /** Which entry of each disk's ledger belongs to it. */
  readonly entries: readonly { readonly disk: DiskId; readonly seq: number }[];
  /** Why disks were read in full, each cause once. */
  readonly causes: readonly string[];
  /** What the host reported as changed, or a full had to read. */
  readonly changedBytes: Bytes;
  /** Content that was neither zero nor the same as before, and the bytes it took in the vault. */
  readonly newBytes: Bytes;
  readonly storedBytes: Bytes;
  readonly unchangedBytes: Bytes;
  /** Paid once for the run, beside what its work was estimated at with readers as fast as Lambda's network. */
  readonly run: Difference;
  /** What the run told of its budget, when it passed it. */
  readonly budgetPassed?: string;
}

export interface VmHistory {
  readonly vm: VmId;
  readonly name: string;
  readonly pool: string;
  /** That asked for the newest point. */
  readonly policy?: string;
  /** Of the newest point. */
  readonly disks: readonly { readonly disk: DiskId; readonly name: string; readonly diskBytes: Bytes }[];
  /** Oldest first, at least one. */
  readonly points: readonly PointFacts[];
}

/** With 16 requests each: 200,000 points at 30 ms take less than two minutes. */
const VMS_AT_ONCE = 4;
const FETCHES_AT_ONCE = 16;
/** The page adds up the runs of 30 days and lists the points of a month. */
const CLOSINGS_READ_MS = 31 * 86_400_000;

const VM_KEY = /^vms\/([0-9a-f-]{36})\/points\//;

/** A VM's points as far as they can be read: one that is damaged is told of and keeps nobody from seeing the others. */
export interface VmReading {
  /** Undefined when no point of the VM can be read. */
  readonly history: VmHistory | undefined;
  readonly unreadable: readonly UnreadablePoint[];
}

/** Every VM that has a point, in order of its id. */
export async function* readHistories(store: ObjectStore, pricing: Pricing): AsyncGenerator<VmReading> {
  const vms = new Set<string>();
  for await (const { key } of store.list('vms/')) {
    const vm = VM_KEY.exec(key)?.[1];
    if (vm !== undefined) vms.add(vm);
  }
  const ids = [...vms];
  for (let i = 0; i < ids.length; i += VMS_AT_ONCE) {
    const together = ids.slice(i, i + VMS_AT_ONCE).map((vm) => listReadablePoints(store, parseVmId(vm)));
    for (const { points, unreadable } of await Promise.all(together)) {
      yield { history: historyOf(points, pricing, await closingsOf(store, points)), unreadable };
    }
  }
}

/**
 * By the names of their points, as far as the page tells what a run cost: older ones would double the requests of a
 * report and change nothing in it.
 */
async function closingsOf(store: ObjectStore, points: readonly NamedPoint[]): Promise<Map<string, PointClosing>> {
  const newestMs = points.at(-1)?.point.time.getTime() ?? 0;
  const recent = points.filter(({ point }) => newestMs - point.time.getTime() < CLOSINGS_READ_MS);
  const closings = new Map<string, PointClosing>();
  for (let i = 0; i < recent.length; i += FETCHES_AT_ONCE) {
    const some = recent.slice(i, i + FETCHES_AT_ONCE).map(async ({ name, point }) => {
      const closing = await unlessDamaged(() => readClosing(store, point));
      if (closing !== undefined) closings.set(name, closing);
    });
    await Promise.all(some);
  }
  return closings;
}

function historyOf(
  points: readonly NamedPoint[],
  pricing: Pricing,
  closings: ReadonlyMap<string, PointClosing>,
): VmHistory | undefined {
  const newest = points.at(-1)?.point;
  if (newest === undefined) return undefined;
  return {
    vm: newest.vm,
    name: newest.vmName,
    pool: newest.pool,
    ...(newest.policy === undefined ? {} : { policy: newest.policy }),
    disks: newest.disks.map(({ disk, name, diskBytes }) => ({ disk, name, diskBytes })),
    points: points.map(({ name, point }) => ({
      ...factsOf(name, point),
      run: pointCost(pricing, point, closings.get(name)),
    })),
  };
}

function factsOf(name: string, point: VmPoint): Omit<PointFacts, 'run'> {
  const sum = (of: (disk: VmPoint['disks'][number]) => number) =>
    point.disks.reduce((total, disk) => total + of(disk), 0);
  const fulls = point.disks.filter(({ kind }) => kind === 'full');
  return {
    name,
    time: point.time,
    kind: fulls.length > 0 ? 'full' : 'incremental',
    entries: point.disks.map(({ disk, seq }) => ({ disk, seq })),
    causes: [...new Set(fulls.map(({ full }) => full?.because ?? 'unknown'))],
    changedBytes: sum(({ plannedBytes }) => plannedBytes),
    newBytes: sum(({ dataGrains }) => dataGrains * GRAIN_BYTES),
    storedBytes: sum(({ storedBytes }) => storedBytes),
    unchangedBytes: sum(({ unchangedGrains }) => unchangedGrains * GRAIN_BYTES),
    ...(point.budgetPassed === undefined ? {} : { budgetPassed: point.budgetPassed }),
  };
}
