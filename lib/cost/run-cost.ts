/** What a run cost, from what it used. */

import type { PointClosing } from '#lib/format/call-record.ts';
import type { VmPoint } from '#lib/format/point.ts';
import type { StorageClass } from '#lib/store/object-store.ts';
import type { Bytes } from '#lib/units.ts';
import { type Charge, charge, type PriceList, together } from './prices.ts';
import { READER_MEMORY_MIB } from './readers.ts';
import { runTransitions } from './run-transitions.ts';
import { CLASS_TERMS, storageMonth } from './storage-class.ts';

/** Of functions: memory times duration, and how often they were called. */
export interface FunctionUsage {
  readonly gbSeconds: number;
  readonly calls: number;
}

export interface RunUsage {
  readonly readers: FunctionUsage;
  /** The steps around the readers; absent where they were not measured. */
  readonly control?: FunctionUsage;
  readonly stateTransitions: number;
  /** PUT, COPY, POST and LIST; DELETE is free. */
  readonly puts: number;
  readonly gets: number;
  readonly storedBytes: Bytes;
}

/** `storageMonth` is what the stored bytes cost each month, everything else is paid once. */
export interface RunCost {
  readonly readers: Charge;
  readonly control?: Charge;
  readonly workflow: Charge;
  readonly requests: Charge;
  readonly storageMonth: Charge;
}

export function runCost(prices: PriceList, usage: RunUsage, storageClass: StorageClass = 'STANDARD'): RunCost {
  const { put, get } = CLASS_TERMS[storageClass];
  return {
    readers: functionCost(prices, usage.readers),
    ...(usage.control && { control: functionCost(prices, usage.control) }),
    workflow: charge(prices, 'stateTransition', usage.stateTransitions),
    requests: together(charge(prices, put, usage.puts), charge(prices, get, usage.gets)),
    storageMonth: storageMonth(prices, storageClass, { bytes: usage.storedBytes }),
  };
}

function functionCost(prices: PriceList, { gbSeconds, calls }: FunctionUsage): Charge {
  return together(charge(prices, 'lambdaArmGbSecond', gbSeconds), charge(prices, 'lambdaRequest', calls));
}

const MS_PER_SECOND = 1000;

/**
 * What a point's record says of its run, and the closing of what came after the point. Points of older versions counted
 * neither the steps around readers and commit nor, some of them, requests; their transitions follow from the calls of
 * their readers.
 */
export function usageOf({ disks, measured }: VmPoint, closing?: PointClosing): RunUsage {
  const { readerCalls = 0, readerMs } = measured;
  const readerGbSeconds = ((readerMs / MS_PER_SECOND) * READER_MEMORY_MIB) / 1024;
  return {
    ...functionsOf(measured, readerGbSeconds, closing),
    stateTransitions:
      (measured.transitions ?? runTransitions({ shards: readerCalls, readerCalls })) + (closing?.transitions ?? 0),
    puts: (measured.requests?.puts ?? 0) + (closing?.requests?.puts ?? 0),
    gets: (measured.requests?.gets ?? 0) + (closing?.requests?.gets ?? 0),
    storedBytes: disks.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
  };
}

function functionsOf(
  { readerCalls = 0, calls, gbSeconds }: VmPoint['measured'],
  readerGbSeconds: number,
  closing: PointClosing | undefined,
): Pick<RunUsage, 'readers' | 'control'> {
  if (calls === undefined || gbSeconds === undefined) {
    return { readers: { gbSeconds: gbSeconds ?? readerGbSeconds, calls: readerCalls } };
  }
  return {
    readers: { gbSeconds: readerGbSeconds, calls: readerCalls },
    control: {
      gbSeconds: Math.max(0, gbSeconds - readerGbSeconds) + (closing?.gbSeconds ?? 0),
      calls: Math.max(0, calls - readerCalls) + (closing?.calls ?? 0),
    },
  };
}

/** What was paid once for the run; keeping its bytes is not in it. */
export function paidOnce({ readers, control, workflow, requests }: RunCost): number {
  return readers.dollars + (control?.dollars ?? 0) + workflow.dollars + requests.dollars;
}
