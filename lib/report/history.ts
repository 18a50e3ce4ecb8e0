/** What the report keeps of each restore point: a vault of 200,000 points is read one VM at a time. */

import { compareRun, type Difference } from '#lib/cost/difference.ts';
import { estimateRun, type Setup } from '#lib/cost/estimate.ts';
import type { PriceList } from '#lib/cost/prices.ts';
import { READER_MIB_PER_SECOND } from '#lib/cost/readers.ts';
import { runCost, usageOf } from '#lib/cost/run-cost.ts';
import type { VmPoint } from '#lib/format/point.ts';
import { listPoints, type NamedPoint } from '#lib/restore/points.ts';
import type { ObjectStore, StorageClass } from '#lib/store/object-store.ts';
import { type Bytes, type DiskId, GRAIN_BYTES, MIB, parseVmId, type VmId } from '#lib/units.ts';

export interface PointFacts {
  readonly name: string;
  readonly time: Date;
  readonly kind: 'full' | 'incremental';
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
}

export interface VmHistory {
  readonly vm: VmId;
  readonly name: string;
  readonly pool: string;
  /** Of the newest point. */
  readonly disks: readonly { readonly disk: DiskId; readonly name: string; readonly diskBytes: Bytes }[];
  /** Oldest first, at least one. */
  readonly points: readonly PointFacts[];
}

export interface Pricing {
  readonly prices: PriceList;
  readonly storageClass: StorageClass;
}

/** One reader whose link is no narrower than itself: where readers wait for a link, the difference says so. */
const FULL_SPEED = {
  readers: 1,
  memoryMib: 1024,
  partBytes: 32 * MIB,
  linkMibPerSecond: READER_MIB_PER_SECOND,
  link: 'none',
  endpoints: 0,
  zones: 1,
} as const;

const VM_KEY = /^vms\/([0-9a-f-]{36})\/points\//;

/** Every VM that has a point, in order of its id. */
export async function* readHistories(store: ObjectStore, pricing: Pricing): AsyncGenerator<VmHistory> {
  const vms = new Set<string>();
  for await (const { key } of store.list('vms/')) {
    const vm = VM_KEY.exec(key)?.[1];
    if (vm !== undefined) vms.add(vm);
  }
  for (const vm of vms) {
    const history = historyOf(await listPoints(store, parseVmId(vm)), pricing);
    if (history !== undefined) yield history;
  }
}

function historyOf(points: readonly NamedPoint[], pricing: Pricing): VmHistory | undefined {
  const newest = points.at(-1)?.point;
  if (newest === undefined) return undefined;
  return {
    vm: newest.vm,
    name: newest.vmName,
    pool: newest.pool,
    disks: newest.disks.map(({ disk, name, diskBytes }) => ({ disk, name, diskBytes })),
    points: points.map(({ name, point }) => factsOf(name, point, pricing)),
  };
}

function factsOf(name: string, point: VmPoint, { prices, storageClass }: Pricing): PointFacts {
  const sum = (of: (disk: VmPoint['disks'][number]) => number) =>
    point.disks.reduce((total, disk) => total + of(disk), 0);
  const fulls = point.disks.filter(({ kind }) => kind === 'full');
  return {
    name,
    time: point.time,
    kind: fulls.length > 0 ? 'full' : 'incremental',
    causes: [...new Set(fulls.map(({ full }) => full?.because ?? 'unknown'))],
    changedBytes: sum(({ plannedBytes }) => plannedBytes),
    newBytes: sum(({ dataGrains }) => dataGrains * GRAIN_BYTES),
    storedBytes: sum(({ storedBytes }) => storedBytes),
    unchangedBytes: sum(({ unchangedGrains }) => unchangedGrains * GRAIN_BYTES),
    run: runOf(point, { prices, storageClass }),
  };
}

function runOf(point: VmPoint, { prices, storageClass }: Pricing): Difference {
  const setup: Setup = { ...FULL_SPEED, storageClass };
  const bytes = point.disks.reduce((sum, { plannedBytes }) => sum + plannedBytes, 0);
  const usage = usageOf(point);
  const storedRatio = usage.storedBytes / Math.max(1, bytes);
  const estimate = estimateRun(prices, setup, { bytes, shards: Math.max(1, usage.lambdaRequests), storedRatio });
  return compareRun(estimate, runCost(prices, usage, storageClass));
}
