/** What a run cost, from what it used. */

import type { VmPoint } from '#lib/format/point.ts';
import type { StorageClass } from '#lib/store/object-store.ts';
import type { Bytes } from '#lib/units.ts';
import { type Charge, charge, type PriceList, together } from './prices.ts';
import { READER_MEMORY_MIB } from './readers.ts';
import { runTransitions } from './run-transitions.ts';
import { CLASS_TERMS, storageMonth } from './storage-class.ts';

export interface RunUsage {
  readonly lambdaGbSeconds: number;
  readonly lambdaRequests: number;
  readonly stateTransitions: number;
  /** PUT, COPY, POST and LIST; DELETE is free. */
  readonly puts: number;
  readonly gets: number;
  readonly storedBytes: Bytes;
}

/** `storageMonth` is what the stored bytes cost each month, everything else is paid once. */
export interface RunCost {
  readonly lambda: Charge;
  readonly workflow: Charge;
  readonly requests: Charge;
  readonly storageMonth: Charge;
}

export function runCost(prices: PriceList, usage: RunUsage, storageClass: StorageClass = 'STANDARD'): RunCost {
  const { put, get } = CLASS_TERMS[storageClass];
  return {
    lambda: together(
      charge(prices, 'lambdaArmGbSecond', usage.lambdaGbSeconds),
      charge(prices, 'lambdaRequest', usage.lambdaRequests),
    ),
    workflow: charge(prices, 'stateTransition', usage.stateTransitions),
    requests: together(charge(prices, put, usage.puts), charge(prices, get, usage.gets)),
    storageMonth: storageMonth(prices, storageClass, { bytes: usage.storedBytes }),
  };
}

const MS_PER_SECOND = 1000;

/**
 * What a point's record says of its run: its readers and its commit. Points of older versions counted no requests, and
 * their transitions follow from the calls of their readers.
 */
export function usageOf({ disks, measured }: VmPoint): RunUsage {
  const { readerCalls = 0 } = measured;
  return {
    lambdaGbSeconds: measured.gbSeconds ?? ((measured.readerMs / MS_PER_SECOND) * READER_MEMORY_MIB) / 1024,
    lambdaRequests: readerCalls,
    stateTransitions: measured.transitions ?? runTransitions({ shards: readerCalls, readerCalls }),
    puts: measured.requests?.puts ?? 0,
    gets: measured.requests?.gets ?? 0,
    storedBytes: disks.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
  };
}

/** What was paid once for the run; keeping its bytes is not in it. */
export function paidOnce({ lambda, workflow, requests }: RunCost): number {
  return lambda.dollars + workflow.dollars + requests.dollars;
}
