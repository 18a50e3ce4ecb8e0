/** What a run that is about to transfer will cost, and the month that it belongs to, by what its VM's points tell. */

import { PACK_PART_BYTES } from '#lib/backup/pack-writer.ts';
import type { VmPoint } from '#lib/format/point.ts';
import type { StorageClass } from '#lib/store/object-store.ts';
import { type Bytes, MIB } from '#lib/units.ts';
import type { Spending } from './budget.ts';
import { estimateRun } from './estimate.ts';
import { type PriceList, together } from './prices.ts';
import { READER_MEMORY_MIB, READER_MIB_PER_SECOND } from './readers.ts';
import { runCost, usageOf } from './run-cost.ts';
import { storageMonth } from './storage-class.ts';
import { USUAL_RATIO } from './workload.ts';

export interface PlannedRun {
  readonly plannedBytes: Bytes;
  readonly shards: number;
  readonly readers: number;
  readonly storageClass: StorageClass;
}

const MONTH_MS = 30 * 86_400_000;
const MS_PER_SECOND = 1000;
/** A month of days tells how fast the readers of a VM are and how well its content compresses. */
const POINTS_LOOKED_AT = 30;

/** `points` are those of the VM that stand, oldest first. */
export function expectedRun(
  prices: PriceList,
  planned: PlannedRun,
  { points, now }: { readonly points: readonly VmPoint[]; readonly now: Date },
): { readonly run: Spending; readonly month: Spending } {
  const recent = points.slice(-POINTS_LOOKED_AT);
  const storedRatio = ratioOf(recent);
  const setup = {
    readers: planned.readers,
    memoryMib: READER_MEMORY_MIB,
    partBytes: PACK_PART_BYTES,
    storageClass: planned.storageClass,
    linkMibPerSecond: readerSpeed(recent) * planned.readers,
    link: 'none',
    endpoints: 0,
    zones: 1,
  } as const;
  const { terms } = estimateRun(prices, setup, {
    bytes: planned.plannedBytes,
    shards: Math.max(1, planned.shards),
    storedRatio,
  });
  const paid = points
    .filter(({ time }) => now.getTime() - time.getTime() < MONTH_MS)
    .map((point) => runCost(prices, usageOf(point), planned.storageClass));
  const stored = points.reduce((sum, point) => sum + storedBytes(point), planned.plannedBytes * storedRatio);
  return {
    run: terms,
    month: {
      ...terms,
      readers: together(terms.readers, ...paid.map(({ readers }) => readers)),
      control: together(terms.control, ...paid.flatMap(({ control }) => control ?? [])),
      workflow: together(terms.workflow, ...paid.map(({ workflow }) => workflow)),
      requests: together(terms.requests, ...paid.map(({ requests }) => requests)),
      storage: storageMonth(prices, planned.storageClass, { bytes: stored }),
    },
  };
}

/** MiB that one reader carries in a second; without measurements what Lambda's network gives. */
function readerSpeed(points: readonly VmPoint[]): number {
  const bytes = points.reduce((sum, { measured }) => sum + measured.nbdBytes, 0);
  const ms = points.reduce((sum, { measured }) => sum + measured.readerMs, 0);
  return bytes === 0 || ms === 0 ? READER_MIB_PER_SECOND : bytes / MIB / (ms / MS_PER_SECOND);
}

function ratioOf(points: readonly VmPoint[]): number {
  const read = points.reduce((sum, { disks }) => sum + disks.reduce((own, disk) => own + disk.plannedBytes, 0), 0);
  const stored = points.reduce((sum, point) => sum + storedBytes(point), 0);
  return read === 0 ? USUAL_RATIO : stored / read;
}

function storedBytes({ disks }: VmPoint): Bytes {
  return disks.reduce((sum, disk) => sum + disk.storedBytes, 0);
}
