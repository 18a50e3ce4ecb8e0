/** Faults of restores: to a file over S3, to a host over its API, read back over NBD. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { restoreToHost } from '#lib/restore/restore-to-host.ts';
import { restoreRawFile } from '#lib/restore/restore-to-path.ts';
import { parseDiskId } from '#lib/units.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { StepOutOfTime } from '#lib/workflow/failures.ts';
import { loginXapi } from '#lib/xapi/login.ts';
import { readAllVdis } from '#lib/xapi/vdi.ts';
import { srOf } from '../fakes/host-access.ts';
import type { ProxyFaults } from '../servers/fault-proxy.ts';
import type { ConnectionKind, FaultSite } from './fault-site.ts';
import type { FaultRow, RunAt } from './row.ts';

/** A restore that waits longer is told to stop. */
const RESTORE_MS = 15_000;

/** The first point of the disk, over connections that fail. */
const contentOf = (site: FaultSite, { disk }: RunAt) =>
  DiskContent.open(site.vaultThroughFaults(), { disk: parseDiskId(disk), seq: 1 });

/** A restore that failed leaves its part, and the next one goes on with it. */
async function toFile(site: FaultSite, run: RunAt): Promise<void> {
  const path = join(site.lone.folder, `${run.disk}.raw`);
  await restoreRawFile(await contentOf(site, run), path);
  assert.ok(run.image.equals(await readFile(path)), 'the file is the disk');
  await rm(path);
}

async function toHost(site: FaultSite, run: RunAt): Promise<void> {
  const { clock } = site.lone;
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(new StepOutOfTime('the restore was told to stop')), RESTORE_MS);
  const { host, credentials } = site.pool;
  const { signal } = stop;
  try {
    const session = await loginXapi({
      ...{ host, clock, signal, originator: 'restore' },
      credentials: await credentials({ signal }),
    });
    await using _session = session;
    const access = { session, otherHosts: [], clock, signal };
    const { vdis } = await restoreToHost(access, {
      id: randomBytes(8).toString('hex'),
      sr: await srOf(access),
      disks: [{ content: await contentOf(site, run), nameLabel: 'restored' }],
      readBack: { pool: site.pool, connect: (address) => site.connect(address, signal) },
    });
    assert.equal(vdis.length, 1);
    // A host makes disks of whole blocks of 2 MiB.
    const bytes = await site.lone.diskBytes(vdis[0] ?? '');
    assert.ok(run.image.equals(bytes.subarray(0, run.image.length)), 'the new disk is the old one');
    const restored = (await readAllVdis(session)).filter(({ nameLabel }) => nameLabel.startsWith('restored'));
    assert.equal(restored.length, 1, 'one disk was made, however often it was tried');
    for (const { ref } of restored) await session.change('VDI.destroy', [ref], z.unknown());
  } finally {
    clearTimeout(timer);
  }
}

interface Restoring {
  readonly on: ConnectionKind;
  readonly what: string;
  readonly play: (site: FaultSite, run: RunAt) => Promise<void>;
  /** Deep enough to be in the middle of the transfer. */
  readonly faults: readonly (readonly [fault: string, ProxyFaults])[];
  /** How it may end when the connection never works again, and when it failed once. */
  readonly ends: readonly string[];
  readonly once: FaultRow['outcome'];
}

const cut = (afterBytes: number) => ({ cut: { afterBytes, how: 'reset' } }) as const;

const RESTORES: readonly Restoring[] = [
  {
    on: 'S3',
    what: 'restore to a file',
    play: toFile,
    faults: [
      ['reset in the middle of a body', { toClient: cut(900_000) }],
      ['half-open: the server is gone and nobody says so', { toClient: { stallAfterBytes: 900_000 } }],
    ],
    ends: ['VaultUnavailable'],
    once: 'completed',
  },
  {
    on: 'XAPI',
    what: 'restore to a host',
    play: toHost,
    faults: [['reset in the middle of the raw import', { toServer: cut(700_000) }]],
    ends: ['AnswerLost', 'HostUnreachable', 'HostInternalError', 'DiskIoFailed'],
    once: 'completed',
  },
  {
    on: 'XAPI',
    what: 'restore to a host',
    play: toHost,
    faults: [['half-open: what the client sends does not arrive', { toServer: { stallAfterBytes: 700_000 } }]],
    // It is told to stop, and so it cannot clean up either; the next one goes on with what is there.
    ends: ['UnfinishedRestoreLeft'],
    once: ['UnfinishedRestoreLeft'],
  },
  {
    on: 'S3',
    what: 'restore to a host',
    play: toHost,
    faults: [['reset in the middle of a body', { toClient: cut(900_000) }]],
    ends: ['VaultUnavailable'],
    once: 'completed',
  },
  {
    on: 'NBD',
    what: 'restore to a host, reading back',
    play: toHost,
    faults: [['reset in the middle of a reply', { toClient: cut(300_000) }]],
    ends: ['NbdConnectionLost', 'NbdReadFailed'],
    // The workflow tries the step again; in one process the restore ends, and nothing of it stays on the host.
    once: ['NbdConnectionLost', 'NbdReadFailed'],
  },
];

function rowsOf({ on, what, play, faults, ends, once }: Restoring): FaultRow[] {
  return faults.flatMap(([fault, told]): FaultRow[] => {
    const common = { on, fault: `${what}: ${fault}`, isRestore: true, play } as const;
    const slow = fault.startsWith('half-open') ? ({ slow: true } as const) : {};
    return [
      {
        ...common,
        ...slow,
        strikes: 'once',
        outcome: once,
        arrange: (site) => site.proxies[on].set({ ...told, strikes: 1 }),
      },
      {
        ...common,
        slow: true,
        strikes: 'until the restore ends',
        outcome: ends,
        arrange: (site) => site.proxies[on].set(told),
      },
    ];
  });
}

const full =
  (method: string): FaultRow['arrange'] =>
  (site) =>
    void site.lone.sim.faults.calls.push({ method, code: 'SR_FULL', params: ['2', '1'], times: 1 });

const FULL: readonly FaultRow[] = [
  {
    on: 'host',
    fault: 'the storage of the host is full when the snapshot is taken',
    strikes: 'once',
    outcome: ['SrFull'],
    isState: true,
    person: 'free space on the storage repository, or wait until the host has coalesced',
    arrange: full('VDI.snapshot'),
  },
  {
    on: 'host',
    fault: 'the storage of the host is full when a disk is restored to it',
    strikes: 'once',
    outcome: ['SrFull'],
    isState: true,
    isRestore: true,
    person: 'choose another storage repository, or free space',
    arrange: full('VDI.create'),
    play: toHost,
  },
];

export const RESTORE_ROWS: readonly FaultRow[] = [...RESTORES.flatMap(rowsOf), ...FULL];
