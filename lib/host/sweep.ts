/**
 * Carries out a sweep plan. Every deletion looks once more at what allows it, immediately before: the execution has
 * ended, the snapshot is the base of no point. What the host still holds is tried again for a minute, then reported.
 *
 * Order for each run: snapshots and their attachments -> session -> connection object -> record -> lease. The record is
 * closed after the host is clean, so that a sweep that dies is repeated by the next one.
 */

import { carryOut, proofOf } from '#lib/backup/clear-run.ts';
import { baseSnapshot, type SnapshotFate } from '#lib/backup/clearing-plan.ts';
import { type ConnectionDocument, readConnection } from '#lib/backup/connection-document.ts';
import { findVdiRecord } from '#lib/backup/disk-snapshots.ts';
import { openHostSession, type PoolSettings } from '#lib/backup/host-access.ts';
import { dropLease } from '#lib/backup/lease.ts';
import { type Remark, readRunRecord, saveRunRecord } from '#lib/backup/run-record.ts';
import { SnapshotRemoval } from '#lib/backup/snapshot-removal.ts';
import { Failure } from '#lib/failure.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { removeIncomplete } from '#lib/restore/restored-objects.ts';
import { resumeXapi } from '#lib/xapi/login.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { type DeadRestore, findDeadRestores } from './dead-restores.ts';
import type { DeadRun, SweepPlan, SweepPorts } from './sweep-plan.ts';
import { keepSweepResult } from './sweep-result.ts';

/** Unplugging takes the host up to five seconds each time; after a minute it will not do so by itself. */
const ROUNDS = 12;
const ROUND_PAUSE_MS = 5_000;

export interface SweepReport {
  readonly removed: readonly string[];
  /** What had to stay, and what the plan could not look at. */
  readonly left: readonly Remark[];
}

export async function sweep(ports: SweepPorts, plan: SweepPlan): Promise<SweepReport> {
  const report = new Report(plan.unexamined);
  for (const run of plan.runs) await report.noting(`run ${run.record.run}`, () => sweepRun(ports, run, report));
  for (const [pool, fates] of byPool(plan.leftovers)) {
    await report.noting(`pool ${pool}`, async () => {
      const removal = await carryOutAll(ports, ports.pools.named(pool), fates);
      report.add(removal);
    });
  }
  for (const connection of plan.connections) {
    await report.noting(`connection of run ${connection.run}`, () => endConnection(ports, connection, report));
  }
  for (const upload of plan.uploads) {
    await report.noting(`upload of ${upload.key}`, async () => {
      await ports.store.abortMultipartUpload(upload);
      report.removed.push(`upload of ${upload.key}`);
    });
  }
  for (const restore of plan.restores) {
    await report.noting(`restore ${restore.id}`, () => sweepRestore(ports, restore, report));
  }
  for (const lease of plan.leases) {
    await report.noting(`lease of VM ${lease.vm}`, async () => {
      if (await ports.executions.isRunning(lease.holder, { signal: ports.signal })) return;
      await dropLease(ports.store, lease);
      report.removed.push(`lease of VM ${lease.vm}`);
    });
  }
  await keepSweepResult(ports.store, { ...report, spared: plan.spared, time: ports.clock.now() });
  return report;
}

async function sweepRun(ports: SweepPorts, { record, fates, unfinished }: DeadRun, report: Report): Promise<void> {
  const { store, executions, signal } = ports;
  // A stopped execution can be redriven at any time: then its run goes on and keeps what it has.
  if (await executions.isRunning(record.execution, { signal })) return;
  const pool = ports.pools.named(record.pool);
  const removal = await carryOutAll(ports, pool, fates);
  report.add(removal);
  const current = (await readRunRecord(store, record.run)) ?? record;
  const cleared = proofOf(current, { removal, kept: fates.filter(({ kind }) => kind === 'keep') });
  if (unfinished || removal.busy.length > 0) {
    await saveRunRecord(store, cleared);
    if (unfinished) report.left.push({ what: `run ${record.run}`, why: 'a snapshot of it is still being made' });
    return;
  }
  const connection = await readConnection(store, record.run);
  if (connection !== undefined) await endConnection(ports, connection, report);
  await saveRunRecord(store, { ...cleared, state: 'released' });
  await dropLease(store, { vm: record.vm, holder: record.execution });
}

async function carryOutAll(
  ports: SweepPorts,
  pool: PoolSettings,
  fates: readonly SnapshotFate[],
): Promise<SnapshotRemoval> {
  await using session = await openHostSession(pool, undefined, ports);
  const removal = new SnapshotRemoval(session, ports);
  for (let round = 1; ; round++) {
    removal.beginAgain();
    for (const fate of fates) {
      if (fate.kind === 'destroy' && (await isNeeded(ports, session, fate))) continue;
      await carryOut(removal, fate, true);
    }
    if (removal.busy.length === 0 || round === ROUNDS) return removal;
    await ports.clock.sleep(ROUND_PAUSE_MS, ports.signal);
  }
}

/** Whether the snapshot has become the base of a disk since the plan was made. A base without its disk is none. */
async function isNeeded({ store }: SweepPorts, session: XapiSession, fate: SnapshotFate): Promise<boolean> {
  if ((await baseSnapshot(store, fate.disk)) !== fate.snapshot) return false;
  return (await findVdiRecord(session, fate.disk)) !== undefined;
}

/** An execution that was redriven since the plan was made keeps what it has, and so does a restore that became whole. */
async function sweepRestore(ports: SweepPorts, { pool, id }: DeadRestore, report: Report): Promise<void> {
  const settings = ports.pools.named(pool);
  await using session = await openHostSession(settings, undefined, ports);
  const { dead } = await findDeadRestores(ports, session, pool);
  const still = dead.find((restore) => restore.id === id);
  if (still === undefined) return;
  const { clock, signal } = ports;
  await removeIncomplete({ session, otherHosts: settings.redirects, clock, signal }, id);
  report.removed.push(...still.objects.map((object) => `${object} of restore ${id}`));
}

/** Ends the session of a dead run with the reference that its connection object holds, then removes the object. */
async function endConnection(
  ports: SweepPorts,
  { run, pool, session }: ConnectionDocument,
  report: Report,
): Promise<void> {
  const { host } = ports.pools.named(pool);
  await using lost = resumeXapi({ host, session, clock: ports.clock, signal: ports.signal });
  await lost.logout();
  await ports.store.delete(vaultKeys.connection(run));
  report.removed.push(`session and connection object of run ${run}`);
}

function byPool(leftovers: SweepPlan['leftovers']): Map<string, SnapshotFate[]> {
  const pools = new Map<string, SnapshotFate[]>();
  for (const { pool, fate } of leftovers) pools.set(pool, [...(pools.get(pool) ?? []), fate]);
  return pools;
}

class Report implements SweepReport {
  readonly removed: string[] = [];
  readonly left: Remark[];

  constructor(unexamined: readonly Remark[]) {
    this.left = [...unexamined];
  }

  add({ removed, left, busy }: SnapshotRemoval): void {
    this.removed.push(...removed);
    this.left.push(...left, ...busy.map((what) => ({ what, why: 'still in use on the host' })));
  }

  /** One thing that cannot be swept is reported and leaves the others to be swept. */
  async noting(what: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      this.left.push({ what, why: failure.message });
    }
  }
}
