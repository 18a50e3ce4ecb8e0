/** Which settings cost least for a workload, each with the arithmetic that says so. */

import { PACK_PART_BYTES } from '#lib/backup/pack-writer.ts';
import type { StorageClass } from '#lib/store/object-store.ts';
import { type Bytes, GIB, MIB } from '#lib/units.ts';
import type { Setup, Workload } from './estimate.ts';
import { packRequests } from './pack-requests.ts';
import { charge, type PriceList } from './prices.ts';
import { READER_MEMORY_MIB, READER_MIB_PER_SECOND, readersFor } from './readers.ts';
import { CLASS_TERMS, cheapestClass, storageUntilDeleted } from './storage-class.ts';

export interface Recommendation {
  readonly setting: 'readers' | 'memory' | 'part size' | 'storage class';
  readonly value: string;
  readonly because: string;
}

export function recommend(
  prices: PriceList,
  setup: Setup,
  load: Workload & { readonly keptDays: number },
): Recommendation[] {
  return [readersAdvice(setup), memoryAdvice(), partAdvice(prices, setup, load), classAdvice(prices, load.keptDays)];
}

function readersAdvice({ linkMibPerSecond }: Setup): Recommendation {
  const readers = readersFor(linkMibPerSecond);
  const each = READER_MIB_PER_SECOND.toFixed(1);
  return {
    setting: 'readers',
    value: String(readers),
    because: `${linkMibPerSecond.toFixed(0)} MiB/s of link / ${each} MiB/s of each reader = ${(linkMibPerSecond / READER_MIB_PER_SECOND).toFixed(1)}; 16 at most; more would wait for the link at the same price each`,
  };
}

function memoryAdvice(): Recommendation {
  return {
    setting: 'memory',
    value: `${READER_MEMORY_MIB} MB`,
    because: `${READER_MEMORY_MIB} MB / 1,769 MB = 0.58 of a CPU, which carries the ${READER_MIB_PER_SECOND.toFixed(1)} MiB/s of the network with digests and compression; 512 MB would not, and price grows with memory`,
  };
}

function partAdvice(prices: PriceList, { storageClass }: Setup, { full, storedRatio }: Workload): Recommendation {
  const { put } = CLASS_TERMS[storageClass];
  const packBytes = Math.max(1, Math.ceil(full.bytes / full.shards));
  const dollars = (partBytes: Bytes) =>
    charge(prices, put, packRequests(full.bytes, { packBytes, partBytes, storedRatio }).puts).dollars.toFixed(3);
  return {
    setting: 'part size',
    value: `${PACK_PART_BYTES / MIB} MiB`,
    because: `requests of a full: $${dollars(8 * MIB)} with 8 MiB, $${dollars(PACK_PART_BYTES)} with ${PACK_PART_BYTES / MIB} MiB, $${dollars(64 * MIB)} with 64 MiB; larger parts save little more, and a reader holds three in memory`,
  };
}

function classAdvice(prices: PriceList, keptDays: number): Recommendation {
  const best = cheapestClass(prices, keptDays);
  const gib = (storageClass: StorageClass) =>
    `$${storageUntilDeleted(prices, storageClass, { bytes: GIB, keptDays }).dollars.toFixed(4)}`;
  return {
    setting: 'storage class',
    value: best,
    because: `a GiB kept for ${keptDays} days costs ${gib('STANDARD')} in STANDARD, ${gib('STANDARD_IA')} in STANDARD_IA (30 days charged at least), ${gib('GLACIER_IR')} in GLACIER_IR (90 days at least; reading it back costs $${prices.prices.glacierInstantRetrieval.dollars} a GiB)`,
  };
}
