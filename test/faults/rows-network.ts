/** What a network does to the three kinds of connection, each through the same proxy of bytes. */

import type { ProxyFaults } from '../servers/fault-proxy.ts';
import type { FaultSite } from './fault-site.ts';
import type { FaultRow } from './row.ts';

const KINDS = ['XAPI', 'NBD', 'S3'] as const;
type Kind = (typeof KINDS)[number];

/** Deep enough for each kind to be in the middle of something: a TLS handshake, a megabyte of disk, the head of an answer. */
const AFTER_BYTES: Readonly<Record<Kind, number>> = { XAPI: 3_000, NBD: 300_000, S3: 100 };
/** How a run may end when the kind of connection never works again. */
const NEVER_WORKS: Readonly<Record<Kind, readonly string[]>> = {
  XAPI: ['HostUnreachable', 'AnswerLost', 'AnswerOverdue', 'StepOutOfTime', 'UnexpectedReply'],
  NBD: ['NbdConnectionLost', 'NbdReadFailed', 'HostBusy', 'ExportRefused', 'StepOutOfTime'],
  S3: ['VaultUnavailable', 'UploadLost', 'StepOutOfTime'],
};

/** An answer of the API may take 90 s; a step that is told to stop earlier shows the same sooner. */
const STEP_MS = 8_000;

const proxyOf = (site: FaultSite, kind: Kind) => ({ XAPI: site.xapi, NBD: site.nbd, S3: site.s3 })[kind];

interface Trouble {
  readonly fault: string;
  readonly faults: (afterBytes: number) => ProxyFaults;
}

/** Each strikes once, and then without end. */
const TROUBLES: readonly Trouble[] = [
  {
    fault: 'closed in the middle of what the server sends',
    faults: (afterBytes) => ({ toClient: { cut: { afterBytes, how: 'fin' } } }),
  },
  {
    fault: 'reset in the middle of what the server sends',
    faults: (afterBytes) => ({ toClient: { cut: { afterBytes, how: 'reset' } } }),
  },
  {
    fault: 'reset in the middle of what the client sends',
    faults: () => ({ toServer: { cut: { afterBytes: 700, how: 'reset' } } }),
  },
  {
    fault: 'half-open: the server is gone and nobody says so',
    faults: (afterBytes) => ({ toClient: { stallAfterBytes: afterBytes } }),
  },
  { fault: 'half-open: what the client says does not arrive', faults: () => ({ toServer: { stallAfterBytes: 700 } }) },
];

/** These slow everything down and break nothing. */
const SLOWNESS: readonly Trouble[] = [
  { fault: 'latency of 60 ms both ways', faults: () => ({ toServer: { latencyMs: 30 }, toClient: { latencyMs: 30 } }) },
  {
    fault: 'a slow drip of 2 MB/s',
    faults: () => ({ toClient: { bytesPerSecond: 2_000_000 }, toServer: { bytesPerSecond: 2_000_000 } }),
  },
  {
    fault: '1 % of segments lost, sent again after 50 ms',
    faults: () => ({
      toClient: { loss: { share: 0.01, resentAfterMs: 50 } },
      toServer: { loss: { share: 0.01, resentAfterMs: 50 } },
    }),
  },
];

function broken(kind: Kind, { fault, faults }: Trouble): FaultRow[] {
  const told = faults(AFTER_BYTES[kind]);
  return [
    {
      on: kind,
      fault,
      strikes: 'once',
      outcome: 'completed',
      // A wait for the API ends with the step's own time, the longest here.
      ...(kind === 'XAPI' && fault.startsWith('half-open') ? { slow: true } : {}),
      arrange: (site) => {
        if (kind === 'XAPI') site.stepMs = STEP_MS;
        proxyOf(site, kind).set({ ...told, strikes: 1 });
      },
    },
    {
      on: kind,
      fault,
      strikes: 'until the run ends',
      outcome: NEVER_WORKS[kind],
      slow: true,
      arrange: (site) => {
        if (kind === 'XAPI') site.stepMs = STEP_MS;
        proxyOf(site, kind).set(told);
      },
    },
  ];
}

export const NETWORK_ROWS: readonly FaultRow[] = KINDS.flatMap((kind) => [
  ...TROUBLES.flatMap((trouble) => broken(kind, trouble)),
  ...SLOWNESS.map(
    ({ fault, faults }): FaultRow => ({
      on: kind,
      fault,
      strikes: 'all the time',
      outcome: 'completed',
      arrange: (site) => proxyOf(site, kind).set(faults(0)),
    }),
  ),
  {
    on: kind,
    fault: 'connections refused',
    strikes: 'until the run ends',
    outcome: NEVER_WORKS[kind],
    ...(kind === 'S3' ? {} : { slow: true as const }),
    arrange: (site) => proxyOf(site, kind).set({ refuse: true }),
  },
]);
