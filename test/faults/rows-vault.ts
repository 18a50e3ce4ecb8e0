/** What a store answers wrongly, and what else happens to a vault while a run uses it. */

import { carryOutCollection, planCollection } from '#lib/collect/collector.ts';
import type { ObjectVersions } from '#lib/store/object-versions.ts';
import { listDisks } from '#lib/vault/disks.ts';
import type { GatewayRule, Misanswer } from '../servers/s3-fault-gateway.ts';
import type { FaultSite } from './fault-site.ts';
import type { FaultRow } from './row.ts';

const REQUESTS = {
  PUT: /^PUT \/vault\/[^?]*(\?x-id=PutObject)?$/,
  GET: /^GET \/vault\/[^?]+(\?x-id=GetObject)?$/,
  'GET of a manifest': /^GET \/vault\/.*\/manifests\//,
  'GET of the plan': /^GET \/vault\/.*\/plan\.json/,
  'put of a ledger entry': /^PUT \/vault\/.*\/ledger\//,
  'create of an upload': /^POST \/vault\/.*\?uploads/,
  'upload of a part': /^PUT \/vault\/.*partNumber=/,
  'complete of an upload': /^POST \/vault\/.*\?uploadId=/,
  LIST: /^GET \/vault\/?\?/,
} as const;

const SLOW_DOWN: Misanswer = { kind: 'refused', status: 503, code: 'SlowDown' };
const CONFLICT: Misanswer = { kind: 'refused', status: 409, code: 'ConditionalRequestConflict' };

function row(
  fault: string,
  request: keyof typeof REQUESTS,
  rest: Pick<GatewayRule, 'misanswer' | 'times'> & Partial<FaultRow>,
): FaultRow {
  const { misanswer, times, ...changes } = rest;
  const rule = { request: REQUESTS[request], misanswer, ...(times === undefined ? {} : { times }) };
  const strikes = times === undefined ? 'until the run ends' : times === 1 ? 'once' : `${times} times`;
  return {
    on: 'S3',
    fault: `${fault} to a ${request}`,
    strikes,
    outcome: 'completed',
    ...(request.endsWith('an upload') || request.endsWith('a part') ? { large: true } : {}),
    arrange: (site) => site.gateway.set(rule),
    ...changes,
  };
}

const ANSWERS: readonly FaultRow[] = [
  ...Object.keys(REQUESTS).map((request) =>
    row('503 SlowDown', request as keyof typeof REQUESTS, { misanswer: SLOW_DOWN, times: 2 }),
  ),
  row('503 SlowDown', 'PUT', { misanswer: SLOW_DOWN, outcome: ['VaultUnavailable'], slow: true }),
  row('500 although it was done', 'PUT', { misanswer: { kind: 'done-but-500' }, times: 3 }),
  row('500 although it was done', 'put of a ledger entry', { misanswer: { kind: 'done-but-500' }, times: 1 }),
  row('500 although it was done', 'upload of a part', { misanswer: { kind: 'done-but-500' }, times: 1 }),
  row('500 although it was done', 'complete of an upload', { misanswer: { kind: 'done-but-500' }, times: 1 }),
  row('200 with an error inside, and it was done,', 'complete of an upload', {
    misanswer: { kind: 'error-in-200', carriedOut: true },
    times: 1,
  }),
  row('200 with an error inside, and it was not done,', 'complete of an upload', {
    misanswer: { kind: 'error-in-200', carriedOut: false },
    times: 1,
  }),
  row('409', 'put of a ledger entry', { misanswer: CONFLICT, times: 2 }),
  row('409', 'complete of an upload', { misanswer: CONFLICT, times: 2 }),
  row('409', 'put of a ledger entry', { misanswer: CONFLICT, outcome: ['VaultUnavailable'], slow: true }),
  row('a reset in mid body', 'GET of a manifest', { misanswer: { kind: 'reset-in-body' }, times: 2 }),
  row('a reset in mid body', 'GET of a manifest', {
    misanswer: { kind: 'reset-in-body' },
    outcome: ['VaultUnavailable'],
    slow: true,
  }),
  row('a flipped byte in the answer', 'GET of the plan', { misanswer: { kind: 'flip-answer' }, times: 1 }),
  row('a flipped byte in the answer', 'GET of the plan', {
    misanswer: { kind: 'flip-answer' },
    outcome: ['VaultCorruption'],
    slow: true,
  }),
  // A part of an object has no checksum on its way but that of TLS; its own digest is the last one to notice.
  row('a flipped byte in the answer', 'GET of a manifest', {
    misanswer: { kind: 'flip-answer' },
    times: 1,
    outcome: ['DamagedObject'],
  }),
  row('a flipped byte on the way', 'upload of a part', { misanswer: { kind: 'flip-request' }, times: 1 }),
  row('a flipped byte on the way', 'upload of a part', {
    misanswer: { kind: 'flip-request' },
    outcome: ['VaultCorruption'],
    slow: true,
  }),
  row('a length of 4 PiB in the answer', 'GET of a manifest', {
    misanswer: { kind: 'endless-length' },
    times: 1,
    outcome: ['ObjectTooLarge'],
  }),
];

const skewed = (minutes: number, outcome: FaultRow['outcome']): FaultRow => ({
  on: 'S3',
  fault: `the store's clock is ${Math.abs(minutes)} minutes ${minutes > 0 ? 'ahead' : 'behind'}`,
  strikes: 'all the time',
  outcome,
  isState: true,
  arrange(site) {
    site.skewMs = minutes * 60_000;
  },
});

async function collect(site: FaultSite, now: Date): Promise<void> {
  const { store } = site.lone;
  // This bucket keeps no versions: those there are are the objects.
  const versions: ObjectVersions = {
    async *list(prefix) {
      for await (const object of store.list(prefix))
        yield { ...object, kind: 'object', versionId: 'null', current: true };
    },
    remove: ({ key }) => store.delete(key),
    lockOf: () => Promise.resolve(undefined),
  };
  for (const disk of await listDisks(store)) {
    const plan = await planCollection({ store, versions }, disk, now);
    await carryOutCollection({ store, versions }, plan, now);
  }
}

const BESIDE: readonly FaultRow[] = [
  {
    on: 'vault',
    fault: 'two runs of one VM at once, the lease held',
    strikes: 'the whole run',
    outcome: 'completed',
    isState: true,
    arrange(site) {
      site.isRunning = true;
    },
    async play(site, { input, again }) {
      const ends = await Promise.allSettled([site.backUp(input), site.backUp(again())]);
      const names = ends.map((end) => (end.status === 'fulfilled' ? 'completed' : String(end.reason.name))).toSorted();
      if (names.join() !== 'RunInProgress,completed') throw new Error(`the runs ended as ${names.join()}`);
    },
  },
  {
    on: 'vault',
    fault: 'a collector with a clock a year ahead, between the last read and the commit',
    strikes: 'once',
    // What the run wrote is as old as nothing for that clock: the commit has to notice that it is gone.
    outcome: ['IncompleteRun'],
    arrange(site) {
      site.beforeCommit = () => collect(site, new Date(Date.now() + 365 * 86_400_000));
    },
  },
  {
    on: 'vault',
    fault: 'a collector, between the last read and the commit',
    strikes: 'once',
    outcome: 'completed',
    arrange(site) {
      site.beforeCommit = () => collect(site, new Date());
    },
  },
];

export const VAULT_ROWS: readonly FaultRow[] = [
  ...ANSWERS,
  skewed(10, 'completed'),
  skewed(60, 'completed'),
  skewed(-60, 'completed'),
  ...BESIDE,
];
