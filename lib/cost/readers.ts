/** How long readers take and what their time costs. */

import { type Bytes, MIB } from '#lib/units.ts';
import { type Charge, charge, type PriceList } from './prices.ts';

/** 625 Mbit/s, 74.5 MiB/s: what Lambda gives one execution environment in a VPC, whatever its memory. */
export const READER_MIB_PER_SECOND = 625e6 / 8 / MIB;
/** The memory of the function read-shard (lib/workflow/read-shard.ts): a test holds the two equal. */
export const READER_MEMORY_MIB = 1024;
/** That of commit-point, likewise. */
export const COMMIT_MEMORY_MIB = 1024;
/** XenServer's NBD server accepts 16 connections per host. */
const MOST_READERS = 16;

export interface ReaderTime {
  /** Of each reader. */
  readonly mibPerSecond: number;
  readonly wallSeconds: number;
  /** Of all readers together: what is paid. */
  readonly readerSeconds: number;
}

/** Readers share the link; beyond its capacity each more only makes all of them slower, and is paid for. */
export function readerTime(work: { bytes: Bytes; readers: number; linkMibPerSecond: number }): ReaderTime {
  const mibPerSecond = Math.min(READER_MIB_PER_SECOND, work.linkMibPerSecond / work.readers);
  const readerSeconds = work.bytes / MIB / mibPerSecond;
  return { mibPerSecond, readerSeconds, wallSeconds: readerSeconds / work.readers };
}

/** The fewest readers that fill the link. */
export function readersFor(linkMibPerSecond: number): number {
  return Math.min(MOST_READERS, Math.max(1, Math.ceil(linkMibPerSecond / READER_MIB_PER_SECOND)));
}

/** `seconds` of functions with this memory; on arm64 unless said otherwise. */
export function lambdaTime(
  prices: PriceList,
  use: { seconds: number; memoryMib: number; architecture?: 'arm64' | 'x86_64' },
): Charge {
  const price = use.architecture === 'x86_64' ? 'lambdaX86GbSecond' : 'lambdaArmGbSecond';
  return charge(prices, price, (use.seconds * use.memoryMib) / 1024);
}
