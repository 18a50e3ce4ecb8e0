/** What a network does to every kind of connection, each through the same proxy of bytes. */

import { encodeDocument, HEAD } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { parseVmId } from '#lib/units.ts';
import type { ProxyFaults } from '../servers/fault-proxy.ts';
import { CONNECTION_KINDS, type ConnectionKind, type FaultSite } from './fault-site.ts';
import type { FaultRow } from './row.ts';

/** Deep enough for each kind to be in the middle of something: a TLS handshake, a megabyte of disk, the head of an answer. */
const AFTER_BYTES: Readonly<Record<ConnectionKind, number>> = {
  XAPI: 3_000,
  NBD: 300_000,
  ...{ S3: 100, 'Secrets Manager': 100, 'Step Functions': 100, KMS: 100 },
};
/** Of what the client sends: a request to a service of AWS has a kilobyte. */
const AFTER_SENT_BYTES = 500;
/** How a run may end when the kind of connection never works again. */
const NEVER_WORKS: Readonly<Record<ConnectionKind, readonly string[]>> = {
  XAPI: ['HostUnreachable', 'AnswerLost', 'AnswerOverdue', 'StepOutOfTime', 'UnexpectedReply'],
  NBD: ['NbdConnectionLost', 'NbdReadFailed', 'HostBusy', 'ExportRefused', 'StepOutOfTime'],
  S3: ['VaultUnavailable', 'UploadLost', 'StepOutOfTime'],
  'Secrets Manager': ['CredentialUnavailable'],
  'Step Functions': ['ExecutionLookupUnavailable'],
  // The point is committed by then; the next one's signature covers it.
  KMS: ['SigningUnavailable'],
};

/** An answer of the API may take 90 s; a step that is told to stop earlier shows the same sooner. */
const STEP_MS = 8_000;

/** Step Functions is asked only about the execution that holds the VM's lease: here one that is dead. */
async function strike(kind: ConnectionKind, faults: ProxyFaults, at: { site: FaultSite; vm: string }): Promise<void> {
  const { site, vm } = at;
  if (kind === 'Step Functions') {
    const lease = { ...HEAD, holder: site.lone.request(vm).execution, since: new Date() };
    await site.lone.store.put(vaultKeys.lease(parseVmId(vm)), encodeDocument(lease));
  }
  site.proxies[kind].set(faults);
}

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
    faults: () => ({ toServer: { cut: { afterBytes: AFTER_SENT_BYTES, how: 'reset' } } }),
  },
  {
    fault: 'half-open: the server is gone and nobody says so',
    faults: (afterBytes) => ({ toClient: { stallAfterBytes: afterBytes } }),
  },
  {
    fault: 'half-open: what the client says does not arrive',
    faults: () => ({ toServer: { stallAfterBytes: AFTER_SENT_BYTES } }),
  },
];

/** Of whose few segments no share would surely be lost. */
const FEW_SEGMENTS: readonly ConnectionKind[] = ['Secrets Manager', 'Step Functions', 'KMS'];

function loss(percent: number): Trouble {
  const lost = { loss: { share: percent / 100, resentAfterMs: 50 } };
  return {
    fault: `${percent} % of segments lost, sent again after 50 ms`,
    faults: () => ({ toClient: lost, toServer: lost }),
  };
}

/** These slow everything down and break nothing. */
const SLOWNESS: readonly Trouble[] = [
  { fault: 'latency of 60 ms both ways', faults: () => ({ toServer: { latencyMs: 30 }, toClient: { latencyMs: 30 } }) },
  {
    fault: 'a slow drip of 2 MB/s',
    faults: () => ({ toClient: { bytesPerSecond: 2_000_000 }, toServer: { bytesPerSecond: 2_000_000 } }),
  },
];

/** A body of a megabyte that loses one segment in ten stands still for longer than the shortened deadline of S3. */
function slownessOf(kind: ConnectionKind): readonly Trouble[] {
  if (FEW_SEGMENTS.includes(kind)) return SLOWNESS;
  return [...SLOWNESS, loss(kind === 'S3' ? 1 : 10)];
}

/** CI waits for the deadline of NBD alone, and sees one trouble of each service of AWS. */
function isSlowOnce(kind: ConnectionKind, fault: string): boolean {
  if (FEW_SEGMENTS.includes(kind)) return fault !== TROUBLES[1]?.fault;
  return kind !== 'NBD' && fault.startsWith('half-open');
}

function broken(kind: ConnectionKind, { fault, faults }: Trouble): FaultRow[] {
  const told = faults(AFTER_BYTES[kind]);
  const breakBy = (changes: ProxyFaults) => (site: FaultSite, vm: string) => {
    if (kind === 'XAPI') site.stepMs = STEP_MS;
    return strike(kind, changes, { site, vm });
  };
  return [
    {
      on: kind,
      fault,
      strikes: 'once',
      outcome: 'completed',
      ...(isSlowOnce(kind, fault) ? { slow: true } : {}),
      arrange: breakBy({ ...told, strikes: 1 }),
    },
    {
      on: kind,
      fault,
      strikes: 'until the run ends',
      outcome: NEVER_WORKS[kind],
      slow: true,
      arrange: breakBy(told),
    },
  ];
}

export const NETWORK_ROWS: readonly FaultRow[] = CONNECTION_KINDS.flatMap((kind) => [
  ...TROUBLES.flatMap((trouble) => broken(kind, trouble)),
  ...slownessOf(kind).map(
    ({ fault, faults }): FaultRow => ({
      on: kind,
      fault,
      strikes: 'all the time',
      outcome: 'completed',
      ...(FEW_SEGMENTS.includes(kind) ? { slow: true } : {}),
      arrange: (site, vm) => strike(kind, faults(0), { site, vm }),
    }),
  ),
  {
    on: kind,
    fault: 'connections refused',
    strikes: 'until the run ends',
    outcome: NEVER_WORKS[kind],
    ...(kind === 'S3' ? {} : { slow: true as const }),
    arrange: (site, vm) => strike(kind, { refuse: true }, { site, vm }),
  },
]);
