/** What the run of a point cost, beside what its work would have been estimated at. */

import { PACK_PART_BYTES } from '#lib/backup/pack-writer.ts';
import type { PointClosing } from '#lib/format/call-record.ts';
import type { VmPoint } from '#lib/format/point.ts';
import type { StorageClass } from '#lib/store/object-store.ts';
import { compareRun, type Difference } from './difference.ts';
import { estimateRun } from './estimate.ts';
import type { PriceList } from './prices.ts';
import { READER_MIB_PER_SECOND } from './readers.ts';
import { runCost, usageOf } from './run-cost.ts';

export interface Pricing {
  readonly prices: PriceList;
  readonly storageClass: StorageClass;
}

/** One reader whose link is no narrower than itself: where readers wait for a link, the difference says so. */
const FULL_SPEED = {
  readers: 1,
  memoryMib: 1024,
  partBytes: PACK_PART_BYTES,
  linkMibPerSecond: READER_MIB_PER_SECOND,
  link: 'none',
  endpoints: 0,
  zones: 1,
} as const;

/** With the closing of the point where it has one: its host was released, and that is in the estimate as well. */
export function pointCost({ prices, storageClass }: Pricing, point: VmPoint, closing?: PointClosing): Difference {
  const bytes = point.disks.reduce((sum, { plannedBytes }) => sum + plannedBytes, 0);
  const usage = usageOf(point, closing);
  const work = {
    bytes,
    shards: Math.max(1, usage.readers.calls),
    storedRatio: usage.storedBytes / Math.max(1, bytes),
  };
  const estimate = estimateRun(prices, { ...FULL_SPEED, storageClass }, work);
  return compareRun(estimate, runCost(prices, usage, storageClass));
}
