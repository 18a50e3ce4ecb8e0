/** What backups will cost: one run, a month of runs, and a restore, each term with its arithmetic. */

import type { StorageClass } from '#lib/store/object-store.ts';
import type { Bytes } from '#lib/units.ts';
import { endpointsMonth, type Link, linkMonth, transferOut } from './link.ts';
import { packRequests } from './pack-requests.ts';
import { type Charge, charge, type PriceList, together } from './prices.ts';
import { lambdaTime, type ReaderTime, readerTime } from './readers.ts';
import { CLASS_TERMS, retrieval, storageMonth } from './storage-class.ts';

/** What one run reads, before compression, and in how many shards: each is a pack and a child of the workflow. */
export interface RunWork {
  readonly bytes: Bytes;
  readonly shards: number;
}

export interface Workload {
  readonly full: RunWork;
  readonly increment: RunWork;
  readonly incrementsPerMonth: number;
  /** Points beside the first that retention keeps once it has reached its depth. */
  readonly incrementsKept: number;
  readonly storedRatio: number;
}

export interface Setup {
  readonly readers: number;
  readonly memoryMib: number;
  readonly partBytes: Bytes;
  readonly storageClass: StorageClass;
  readonly linkMibPerSecond: number;
  readonly link: Link;
  /** Paid interface endpoints, and the zones each is in. */
  readonly endpoints: number;
  readonly zones: number;
}

export type RunTerm = 'readers' | 'control' | 'workflow' | 'requests';
export type MonthTerm = RunTerm | 'storage' | 'key' | 'secret' | 'endpoints' | 'watching' | 'link';

export interface RunEstimate extends ReaderTime {
  readonly terms: Readonly<Record<RunTerm, Charge>>;
}
export type MonthEstimate = Readonly<Record<MonthTerm, Charge>>;

/** Calls of the steps around the readers, with the time and the memory that each takes. */
const CONTROL = { calls: 8, seconds: 5, memoryMib: 512 } as const;
/** States that a run enters beside one for each shard. */
const RUN_TRANSITIONS = 30;
/** Logs of a site of a few VMs, and the alarms of docs/runbook.md. */
const WATCHING = { logGib: 0.4, alarms: 8 } as const;

export function estimateRun(prices: PriceList, setup: Setup, work: RunWork & { storedRatio: number }): RunEstimate {
  const time = readerTime({ ...setup, bytes: work.bytes });
  const { puts } = requestsOf(setup, work);
  return {
    ...time,
    terms: {
      readers: lambdaTime(prices, { seconds: time.readerSeconds, memoryMib: setup.memoryMib }),
      control: lambdaTime(prices, { ...CONTROL, seconds: CONTROL.calls * CONTROL.seconds }),
      workflow: charge(prices, 'stateTransition', RUN_TRANSITIONS + work.shards),
      requests: charge(prices, CLASS_TERMS[setup.storageClass].put, puts),
    },
  };
}

function requestsOf({ partBytes }: Setup, { bytes, shards, storedRatio }: RunWork & { storedRatio: number }) {
  return packRequests(bytes, { packBytes: Math.max(1, Math.ceil(bytes / shards)), partBytes, storedRatio });
}

/** `first`: the month of the full, with half of its increments there on average. `steady`: retention is at its depth. */
export function estimateMonth(
  prices: PriceList,
  setup: Setup,
  load: Workload & { readonly which: 'first' | 'steady' },
): MonthEstimate {
  const { storedRatio, incrementsPerMonth: count, full, increment } = load;
  const runs = load.which === 'first' ? [full] : [];
  const once = runs.map((work) => estimateRun(prices, setup, { ...work, storedRatio }).terms);
  const daily = estimateRun(prices, setup, { ...increment, storedRatio }).terms;
  const all = (term: RunTerm): Charge =>
    together(...once.map((terms) => terms[term]), {
      dollars: daily[term].dollars * count,
      arithmetic: `${count} x (${daily[term].arithmetic})`,
    });
  const keptIncrements = load.which === 'first' ? count / 2 : load.incrementsKept;
  const stored = (full.bytes + keptIncrements * increment.bytes) * storedRatio;
  return {
    storage: storageMonth(prices, setup.storageClass, {
      bytes: stored,
      objects: full.shards + keptIncrements * increment.shards,
    }),
    readers: all('readers'),
    control: all('control'),
    workflow: all('workflow'),
    requests: all('requests'),
    key: charge(prices, 'kmsKeyMonth', 1),
    secret: charge(prices, 'secretMonth', 1),
    endpoints: endpointsMonth(prices, setup),
    watching: together(charge(prices, 'logGib', WATCHING.logGib), charge(prices, 'alarmMonth', WATCHING.alarms)),
    link: linkMonth(prices, setup.link, movedBytes(load, load.which)),
  };
}

/** What a month moves from the hosts to AWS, before compression. */
export function movedBytes({ full, increment, incrementsPerMonth }: Workload, which: 'first' | 'steady'): Bytes {
  return (which === 'first' ? full.bytes : 0) + incrementsPerMonth * increment.bytes;
}

/** Bringing `storedBytes` home: compressed as they are stored, in ranges of one part. */
export function estimateRestore(prices: PriceList, setup: Setup, storedBytes: Bytes): Charge {
  const gets = Math.ceil(storedBytes / setup.partBytes);
  return together(
    retrieval(prices, setup.storageClass, { bytes: storedBytes, gets }),
    transferOut(prices, setup.link, storedBytes),
  );
}

export function totalOf(terms: Readonly<Record<string, Charge>>): number {
  return Object.values(terms).reduce((sum, { dollars }) => sum + dollars, 0);
}
