/** What each storage class of S3 charges for keeping, writing, reading and leaving early. */

import type { StorageClass } from '#lib/store/object-store.ts';
import { type Bytes, GIB } from '#lib/units.ts';
import { type Charge, charge, type PriceList, type PriceName, together } from './prices.ts';

interface ClassTerms {
  readonly month: PriceName;
  readonly put: PriceName;
  readonly get: PriceName;
  readonly retrieval?: PriceName;
  /** An object that is deleted earlier is charged for this long. */
  readonly leastDays: number;
}

export const CLASS_TERMS = {
  STANDARD: { month: 'standardMonth', put: 'standardPut', get: 'standardGet', leastDays: 0 },
  INTELLIGENT_TIERING: { month: 'tieringFrequentMonth', put: 'standardPut', get: 'standardGet', leastDays: 0 },
  STANDARD_IA: {
    month: 'infrequentMonth',
    put: 'infrequentPut',
    get: 'infrequentGet',
    retrieval: 'infrequentRetrieval',
    leastDays: 30,
  },
  GLACIER_IR: {
    month: 'glacierInstantMonth',
    put: 'glacierInstantPut',
    get: 'glacierInstantGet',
    retrieval: 'glacierInstantRetrieval',
    leastDays: 90,
  },
} as const satisfies Record<StorageClass, ClassTerms>;

const terms = (storageClass: StorageClass): ClassTerms => CLASS_TERMS[storageClass];

/** S3 counts a GB of storage as 2^30 bytes and bills a month as 30 days for its minimum durations. */
const MONTH_DAYS = 30;

/** What keeping `bytes` for a month costs; Intelligent-Tiering in its first tier, with its fee for each object. */
export function storageMonth(
  prices: PriceList,
  storageClass: StorageClass,
  { bytes, objects = 0 }: { bytes: Bytes; objects?: number },
): Charge {
  const kept = charge(prices, terms(storageClass).month, bytes / GIB);
  return storageClass === 'INTELLIGENT_TIERING' && objects > 0
    ? together(kept, charge(prices, 'tieringMonitoring', objects))
    : kept;
}

/** What `bytes` that are deleted after `keptDays` cost in all, with the days that are charged nevertheless. */
export function storageUntilDeleted(
  prices: PriceList,
  storageClass: StorageClass,
  { bytes, keptDays }: { bytes: Bytes; keptDays: number },
): Charge {
  const { month, leastDays } = terms(storageClass);
  return charge(prices, month, (bytes / GIB) * (Math.max(keptDays, leastDays) / MONTH_DAYS));
}

/** The class in which bytes kept for so long cost least. */
export function cheapestClass(prices: PriceList, keptDays: number): StorageClass {
  const classes: readonly StorageClass[] = ['STANDARD', 'STANDARD_IA', 'GLACIER_IR'];
  const cost = (storageClass: StorageClass) =>
    storageUntilDeleted(prices, storageClass, { bytes: GIB, keptDays }).dollars;
  return classes.reduce((best, candidate) => (cost(candidate) < cost(best) ? candidate : best));
}

/** What reading `bytes` back costs within AWS, before any transfer out of it. */
export function retrieval(
  prices: PriceList,
  storageClass: StorageClass,
  { bytes, gets }: { bytes: Bytes; gets: number },
): Charge {
  const { get, retrieval: fee } = terms(storageClass);
  const requests = charge(prices, get, gets);
  return fee === undefined ? requests : together(requests, charge(prices, fee, bytes / GIB));
}
