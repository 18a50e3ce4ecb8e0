/**
 * What runs that died have left behind, and what of it has to go. Planning changes nothing; lib/host/sweep.ts carries
 * out exactly the plan.
 *
 * ```
 * run records, leases, executions --> dead runs --> their snapshots, attachments, connections, leases, uploads
 * all VDIs with this vault's mark ---------------> bases whose disk is gone, snapshots that no point counts from
 * all VDIs and VMs with a restore's mark --------> halves of restores whose execution has died
 * ```
 */

import { baseSnapshot, planClearing, type SnapshotFate } from '#lib/backup/clearing-plan.ts';
import type { ConnectionDocument } from '#lib/backup/connection-document.ts';
import { openHostSession, type Pools } from '#lib/backup/host-access.ts';
import type { Remark, RunRecord } from '#lib/backup/run-record.ts';
import { markOf } from '#lib/backup/snapshot-mark.ts';
import type { Clock } from '#lib/clock.ts';
import type { Executions } from '#lib/executions/executions.ts';
import { Failure } from '#lib/failure.ts';
import type { MultipartUpload, ObjectStore } from '#lib/store/object-store.ts';
import type { DiskId, RunId } from '#lib/units.ts';
import { readVault } from '#lib/vault/vault-document.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { readAllVdis, type VdiRecord } from '#lib/xapi/vdi.ts';
import { type DeadRestore, findDeadRestores } from './dead-restores.ts';
import { deadUploads } from './dead-uploads.ts';
import { type Census, type HeldLease, takeCensus } from './run-census.ts';

export interface SweepPorts {
  readonly store: ObjectStore;
  readonly pools: Pools;
  readonly executions: Executions;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface DeadRun {
  readonly record: RunRecord;
  readonly why: string;
  readonly fates: readonly SnapshotFate[];
  /** The host is still making a snapshot for it: the run stays open until that has ended. */
  readonly unfinished: boolean;
}

export interface SweepPlan {
  readonly runs: readonly DeadRun[];
  /** Snapshots that bear this vault's mark, belong to no open run, and are no base either. */
  readonly leftovers: readonly { readonly pool: string; readonly fate: SnapshotFate }[];
  readonly restores: readonly DeadRestore[];
  readonly connections: readonly ConnectionDocument[];
  readonly leases: readonly HeldLease[];
  readonly uploads: readonly MultipartUpload[];
  /** What was seen and is not touched, with the reason. */
  readonly spared: readonly Remark[];
  /** Pools, records and leases about which nothing is known because they did not answer: the plan is silent on them. */
  readonly unexamined: readonly Remark[];
}

export async function planSweep(ports: SweepPorts): Promise<SweepPlan> {
  const { store, executions, signal } = ports;
  const census = await takeCensus({ store, executions, signal, now: ports.clock.now() });
  const unexamined: Remark[] = [...census.unexamined];
  const runs: DeadRun[] = [];
  const spared: Remark[] = [...census.spared];
  const leftovers: { pool: string; fate: SnapshotFate }[] = [];
  const restores: DeadRestore[] = [];
  // A pool that nothing was backed up from may be one that something is restored to.
  const backedUp = new Set([...census.records.values()].map((record) => record.pool));
  for (const pool of new Set([...ports.pools.names, ...backedUp])) {
    try {
      await using session = await openHostSession(ports.pools.named(pool), undefined, ports);
      // Before the first run there are no snapshots of this vault, and there may not even be a vault.
      if (backedUp.has(pool)) {
        const dead = await planDeadRuns(ports, session, { census, pool });
        runs.push(...dead);
        leftovers.push(...(await planLeftovers(ports, session, { census, pool, dead })));
      }
      const found = await findDeadRestores(ports, session, pool);
      restores.push(...found.dead);
      spared.push(...found.spared);
      unexamined.push(...found.unexamined);
    } catch (failure) {
      // A pool that cannot be reached must not keep the leftovers of the others where they are.
      if (!(failure instanceof Failure)) throw failure;
      unexamined.push({ what: `pool ${pool}`, why: failure.message });
    }
  }
  const { connections, leases } = census;
  const uploads = await deadUploads(ports, census);
  return { runs, leftovers, restores, connections, leases, uploads, spared, unexamined };
}

interface PoolCensus {
  readonly census: Census;
  readonly pool: string;
}

async function planDeadRuns(ports: SweepPorts, session: XapiSession, { census, pool }: PoolCensus): Promise<DeadRun[]> {
  const { vault } = await readVault(ports.store);
  const runs: DeadRun[] = [];
  for (const { record, why } of census.dead.filter((run) => run.record.pool === pool)) {
    const fates: SnapshotFate[] = [];
    let unfinished = false;
    for (const disk of record.disks) {
      const plan = await planClearing({ store: ports.store, session, vault, record }, disk);
      fates.push(...plan.fates);
      unfinished ||= plan.beingMade;
    }
    runs.push({ record, why, fates, unfinished });
  }
  return runs;
}

async function planLeftovers(
  { store }: SweepPorts,
  session: XapiSession,
  { census, pool, dead }: PoolCensus & { readonly dead: readonly DeadRun[] },
): Promise<{ pool: string; fate: SnapshotFate }[]> {
  const { vault } = await readVault(store);
  const vdis = await readAllVdis(session);
  const living = new Set<DiskId>(vdis.filter((vdi) => !vdi.isSnapshot).map(({ uuid }) => uuid));
  const planned = new Set(dead.flatMap(({ fates }) => fates.map(({ snapshot }) => snapshot)));
  const open = new Set<RunId>([...census.alive, ...dead.map(({ record }) => record.run)]);
  const leftovers: { pool: string; fate: SnapshotFate }[] = [];
  for (const vdi of vdis) {
    const mark = markOf(vdi, vault);
    if (mark === undefined || planned.has(vdi.uuid) || open.has(mark.run)) continue;
    const base = await baseSnapshot(store, mark.disk);
    const why = whyUseless(vdi, { base, diskLives: living.has(mark.disk) });
    if (why === undefined) continue;
    leftovers.push({ pool, fate: { kind: 'destroy', snapshot: vdi.uuid, disk: mark.disk, why } });
  }
  return leftovers;
}

function whyUseless(
  vdi: VdiRecord,
  facts: { readonly base: DiskId | undefined; readonly diskLives: boolean },
): string | undefined {
  if (!facts.diskLives) return 'the disk that it is the base of was removed, reverted or moved';
  return vdi.uuid === facts.base ? undefined : 'no point counts changes from it';
}
