/**
 * The use case of the state release-host: takes off the host what the run put there, on success and on failure alike.
 * It is called again while the host is still letting go of something.
 *
 * What stays is exactly one snapshot for each disk whose point was committed with changed block tracking: its data
 * dropped, its record of changes kept as the base of the next run.
 */

import type { Clock } from '#lib/clock.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { type DiskId, parseVmId, type RunId } from '#lib/units.ts';
import { readHead } from '#lib/vault/ledger.ts';
import { readVault } from '#lib/vault/vault-document.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { findOrphan } from './advance-disk.ts';
import { readConnection } from './connection-document.ts';
import { openHostSession, type Pools } from './host-access.ts';
import { dropLease } from './lease.ts';
import { runIdOf } from './run-id.ts';
import { type RunDisk, type RunRecord, readRunRecord, saveRunRecord } from './run-record.ts';
import type { RunRequest } from './snapshot-disks.ts';
import { SnapshotRemoval } from './snapshot-removal.ts';

/** The host detaches within seconds of a disconnect, within minutes when it is loaded; later is for the sweeper. */
const RELEASE_LIMIT_MS = 15 * 60_000;
const WAIT_SECONDS = 5;

export interface ReleasePorts {
  readonly store: ObjectStore;
  readonly pools: Pools;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export type ReleaseResult =
  | { readonly released: false; readonly runId: RunId; readonly waitSeconds: number; readonly waitingFor: string }
  | { readonly released: true; readonly runId: RunId; readonly removed: number; readonly left: number };

export async function releaseHost(ports: ReleasePorts, input: RunRequest): Promise<ReleaseResult> {
  const { store, clock } = ports;
  const runId = runIdOf(input.execution);
  const record = await readRunRecord(store, runId);
  const connection = await readConnection(store, runId);
  if (record?.state === 'released' || (record === undefined && connection === undefined)) {
    await dropLease(store, { vm: parseVmId(input.request.vm), holder: input.execution });
    return { released: true, runId, removed: record?.removed.length ?? 0, left: record?.left.length ?? 0 };
  }
  await using session = await openHostSession(ports.pools.named(input.request.pool), connection?.session, ports);
  const cleared = record === undefined ? undefined : await clearHost(ports, { session, record });
  if (cleared !== undefined && cleared.busy.length > 0) {
    const since = cleared.record.releasingSince ?? clock.now();
    if (clock.now().getTime() - since.getTime() < RELEASE_LIMIT_MS) {
      await saveRunRecord(store, { ...cleared.record, releasingSince: since });
      // The next call goes on with the session.
      session.handOver();
      return { released: false, runId, waitSeconds: WAIT_SECONDS, waitingFor: cleared.busy.join(', ') };
    }
  }
  await session.logout();
  // The connection object goes only when its session is gone: it is what a repeated call finds the session by.
  await store.delete(vaultKeys.connection(runId));
  const left = (cleared?.record.left ?? []).concat(
    (cleared?.busy ?? []).map((what) => ({ what, why: 'still in use on the host after 15 minutes' })),
  );
  if (cleared !== undefined) await saveRunRecord(store, { ...cleared.record, left, state: 'released' });
  await dropLease(store, { vm: parseVmId(input.request.vm), holder: input.execution });
  return { released: true, runId, removed: cleared?.record.removed.length ?? 0, left: left.length };
}

interface Clearing {
  readonly record: RunRecord;
  /** What the host is still using. */
  readonly busy: readonly string[];
}

async function clearHost(
  ports: ReleasePorts,
  { session, record }: { session: XapiSession; record: RunRecord },
): Promise<Clearing> {
  const { vault } = await readVault(ports.store);
  const removal = new SnapshotRemoval(session, ports, { vault, run: record.run });
  for (const disk of record.disks) {
    const snapshot = await snapshotOf(session, disk);
    const head = await readHead(ports.store, disk.disk);
    const committed = head?.entry.run === record.run;
    if (snapshot !== undefined && committed) await removal.keepAsBase(snapshot);
    else if (snapshot !== undefined) await removal.destroy(snapshot);
    if (committed) await removal.destroyOlder({ disk: disk.disk, kept: snapshot });
  }
  return {
    record: { ...record, removed: [...record.removed, ...removal.removed], left: [...record.left, ...removal.left] },
    busy: removal.busy,
  };
}

/** UUID of the snapshot that the run made of the disk, also when the run died before it learnt of it. */
async function snapshotOf(session: XapiSession, disk: RunDisk): Promise<DiskId | undefined> {
  const { progress } = disk;
  switch (progress.step) {
    case 'found':
    case 'enabling':
      return undefined;
    case 'asked':
    case 'snapshotting':
      return (await findOrphan(session, disk, progress))?.uuid;
    case 'snapshotted':
    case 'comparing':
    case 'compared':
      return progress.snapshot;
  }
}
