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
import { parseVmId, type RunId } from '#lib/units.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { clearRun } from './clear-run.ts';
import { readConnection } from './connection-document.ts';
import { openHostSession, type Pools } from './host-access.ts';
import { dropLease } from './lease.ts';
import { dropSlots } from './reader-slots.ts';
import { runIdOf } from './run-id.ts';
import { type RunRecord, readRunRecord, saveRunRecord } from './run-record.ts';
import type { RunRequest } from './snapshot-disks.ts';

/** The host detaches within seconds of a disconnect, within minutes when it is loaded; later is for the sweeper. */
const RELEASE_LIMIT_MS = 15 * 60_000;
/** No reader is left when the host is released: what it still holds after a minute it holds for nobody. */
const EVICT_AFTER_MS = 60_000;
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
  const { store } = ports;
  const runId = runIdOf(input.execution);
  const record = await readRunRecord(store, runId);
  const connection = await readConnection(store, runId);
  const pool = ports.pools.named(input.request.pool);
  if (record?.state === 'released' || (record === undefined && connection === undefined)) {
    await letOthersIn(store, input, pool.name);
    return { released: true, runId, removed: record?.removed.length ?? 0, left: record?.left.length ?? 0 };
  }
  await using session = await openHostSession(pool, connection?.session, ports);
  const cleared = record === undefined ? undefined : await clear(ports, { session, record });
  if (cleared?.waitingFor !== undefined) {
    await saveRunRecord(store, cleared.record);
    // The next call goes on with the session, if it is the one that the connection object has.
    if (connection?.session.reveal() === session.sessionReference.reveal()) session.handOver();
    return { released: false, runId, waitSeconds: WAIT_SECONDS, waitingFor: cleared.waitingFor };
  }
  await session.logout();
  // The connection object goes only when its session is gone: it is what a repeated call finds the session by.
  await store.delete(vaultKeys.connection(runId));
  if (cleared !== undefined) await saveRunRecord(store, { ...cleared.record, state: 'released' });
  await letOthersIn(store, input, pool.name);
  const { removed, left } = cleared?.record ?? { removed: [], left: [] };
  return { released: true, runId, removed: removed.length, left: left.length };
}

/** Last of all: until then the VM and the connections of the host are in use. */
async function letOthersIn(
  store: ObjectStore,
  { request, execution: holder }: RunRequest,
  pool: string,
): Promise<void> {
  await dropSlots(store, { pool, holder });
  await dropLease(store, { vm: parseVmId(request.vm), holder });
}

/** One try; `waitingFor` says what is worth another one. */
async function clear(
  ports: ReleasePorts,
  { session, record }: { session: XapiSession; record: RunRecord },
): Promise<{ readonly record: RunRecord; readonly waitingFor: string | undefined }> {
  const nowMs = ports.clock.now().getTime();
  const waitedMs = record.releasingSince === undefined ? 0 : nowMs - record.releasingSince.getTime();
  const cleared = await clearRun(ports, { session, record, evict: waitedMs >= EVICT_AFTER_MS });
  if (cleared.busy.length === 0) return { record: cleared.record, waitingFor: undefined };
  const releasingSince = record.releasingSince ?? ports.clock.now();
  if (waitedMs < RELEASE_LIMIT_MS) {
    return { record: { ...cleared.record, releasingSince }, waitingFor: cleared.busy.join(', ') };
  }
  const stuck = cleared.busy.map((what) => ({ what, why: 'still in use on the host after 15 minutes' }));
  return { record: { ...cleared.record, left: [...cleared.record.left, ...stuck] }, waitingFor: undefined };
}
