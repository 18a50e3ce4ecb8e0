/**
 * The use case of the state snapshot-disks: brings the host to the point where the disks can be read. It is called again
 * until it is ready, and goes on where the run record says.
 *
 * Order: lease -> reader slots -> session -> disks -> tracking on -> snapshots -> changed blocks (before any NBD connection) -> NBD
 * addresses -> connection object -> the VM's metadata -> plan. Each effect is saved before the next begins.
 */

import type { Clock } from '#lib/clock.ts';
import type { Executions } from '#lib/executions/executions.ts';
import { encodeDocument, HEAD } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { ObjectStore, StorageClass } from '#lib/store/object-store.ts';
import { parseVmId, type RunId } from '#lib/units.ts';
import { readHead } from '#lib/vault/ledger.ts';
import { ManifestReader } from '#lib/vault/manifest-reader.ts';
import { openOrCreateVault } from '#lib/vault/vault-document.ts';
import { DiskUnsupported } from '#lib/xapi/failures.ts';
import type { XapiHost } from '#lib/xapi/pinned-agent.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { advanceDisk } from './advance-disk.ts';
import { type ConnectionDocument, readConnection, writeConnection } from './connection-document.ts';
import type { DiskContext } from './disk-context.ts';
import { PoolOccupied } from './failures.ts';
import { findDisks } from './find-disks.ts';
import { openHostSession, type PoolSettings, type Pools } from './host-access.ts';
import { keepVmMetadata } from './keep-vm-metadata.ts';
import { takeLease } from './lease.ts';
import { nbdExports } from './nbd-exports.ts';
import { planDocument } from './plan-document.ts';
import { takeSlots } from './reader-slots.ts';
import { runIdOf } from './run-id.ts';
import type { LockRule } from './run-lock.ts';
import {
  type ComparedDisk,
  type DiskProgress,
  type RunDisk,
  type RunRecord,
  readRunRecord,
  saveRunRecord,
} from './run-record.ts';

/** Tasks of the host are looked at for this long within one call: a Wait costs three transitions and a cold session. */
const PATIENCE_MS = 20_000;
const LOOK_PAUSE_MS = 1_000;
/** What is still pending after that takes its time: enabling CBT and snapshots queue behind other work of the SR. */
const WAIT_SECONDS = 15;
const DEFAULT_READERS = 4;
/** Other runs take minutes to hours; a look each minute is nine events of the history each. */
const SLOT_WAIT_SECONDS = 60;
/** 360 looks: 3,240 of the 5,000 events that a history may have. */
const SLOT_WAIT_LIMIT_MS = 6 * 3_600_000;

export interface SnapshotPorts {
  readonly store: ObjectStore;
  readonly pools: Pools;
  readonly executions: Executions;
  readonly clock: Clock;
  readonly random: (bytes: number) => Buffer;
  readonly signal: AbortSignal;
}

export interface RunRequest {
  /** ARN of the execution: the run's id and the lease's holder come from it. */
  readonly execution: string;
  readonly started: string;
  readonly request: {
    readonly vm: string;
    readonly pool?: string | undefined;
    readonly readers?: number | undefined;
    readonly storageClass?: StorageClass | undefined;
    readonly excludeDisks?: readonly string[] | undefined;
    /** How the run locks what it writes; it does not when this is left out. */
    readonly lock?: LockRule | undefined;
  };
}

export type SnapshotResult =
  | { readonly ready: false; readonly runId: RunId; readonly waitSeconds: number; readonly waitingFor: string }
  | { readonly ready: true; readonly runId: RunId; readonly disks: number; readonly readers: number };

export async function snapshotDisks(ports: SnapshotPorts, input: RunRequest): Promise<SnapshotResult> {
  const { store, executions, signal } = ports;
  const runId = runIdOf(input.execution);
  const vm = parseVmId(input.request.vm);
  const pool = ports.pools.named(input.request.pool);
  await takeLease({ store, executions, signal }, { vm, holder: input.execution, since: ports.clock.now() });
  const known = await readRunRecord(store, runId);
  const readers = known?.readers ?? (await slotsOf(ports, { input, pool: pool.name }));
  if (readers === 0) {
    return { ready: false, runId, waitSeconds: SLOT_WAIT_SECONDS, waitingFor: `a reader slot of pool ${pool.name}` };
  }
  const { vault } = await openOrCreateVault(store, {
    vault: ports.random(8).toString('hex'),
    created: ports.clock.now(),
  });
  const stored = await readConnection(store, runId);
  await using session = await openHostSession(pool, stored?.session, ports);
  await keepSession(store, { input, pool, session, stored });
  const begun = known ?? (await beginRun(ports, { input, pool, session, runId, readers }));
  const record = await new Preparation(ports, { input, pool, session, vault, record: begun }).advance();
  const compared = record.disks.filter(isCompared);
  if (compared.length < record.disks.length) {
    // A session that was lost meanwhile has a successor, which the next call has to know.
    await keepSession(store, { input, pool, session, stored: await readConnection(store, runId) });
    return { ready: false, runId, waitSeconds: WAIT_SECONDS, waitingFor: describeWait(record.disks) };
  }
  return makeReady(ports, { input, pool, session, record, disks: compared });
}

/** Before anything is asked of the host, so that a run that has to wait holds nothing there. Throws PoolOccupied. */
async function slotsOf(
  ports: SnapshotPorts,
  { input, pool }: { readonly input: RunRequest; readonly pool: string },
): Promise<number> {
  const since = ports.clock.now();
  const wanted = input.request.readers ?? DEFAULT_READERS;
  const held = await takeSlots(ports, { pool, holder: input.execution, wanted, since });
  if (held > 0 || since.getTime() - new Date(input.started).getTime() < SLOT_WAIT_LIMIT_MS) return held;
  throw new PoolOccupied(
    `Other runs have held all reader slots of pool ${pool} since ${input.started}; move a policy to another time, or give it fewer readers`,
  );
}

/** The session outlives this call only once it is in the connection object, from which release-host ends it. */
async function keepSession(
  store: ObjectStore,
  run: RunContext & { readonly stored: ConnectionDocument | undefined },
): Promise<void> {
  const { session, stored } = run;
  if (stored?.session.reveal() !== session.sessionReference.reveal()) {
    await writeConnection(store, connectionOf(run, stored?.disks ?? []));
  }
  session.handOver();
}

function connectionOf({ input, pool, session }: RunContext, disks: ConnectionDocument['disks']): ConnectionDocument {
  return {
    ...HEAD,
    requires: [],
    run: runIdOf(input.execution),
    execution: input.execution,
    pool: pool.name,
    session: session.sessionReference,
    disks,
  };
}

interface RunContext {
  readonly input: RunRequest;
  readonly pool: PoolSettings;
  readonly session: XapiSession;
}

async function beginRun(
  ports: SnapshotPorts,
  run: RunContext & { readonly runId: RunId; readonly readers: number },
): Promise<RunRecord> {
  const { input, pool, session, runId, readers } = run;
  const vm = parseVmId(input.request.vm);
  const found = await findDisks(session, { vm, excluded: input.request.excludeDisks ?? [] });
  const record: RunRecord = {
    ...HEAD,
    requires: [],
    run: runId,
    vm,
    vmName: found.vmName,
    pool: pool.name,
    execution: input.execution,
    started: new Date(input.started),
    readers,
    state: 'preparing',
    disks: await Promise.all(found.disks.map((disk) => withBase(ports.store, disk))),
    skipped: found.skipped,
    created: [],
    removed: [],
    stays: [],
    left: [],
  };
  await saveRunRecord(ports.store, record);
  return record;
}

/** Fixed once for the whole run: changed blocks since one base must never be laid over another. */
async function withBase(store: ObjectStore, disk: RunDisk): Promise<RunDisk> {
  const head = await readHead(store, disk.disk);
  if (head === undefined) return disk;
  const { seq, manifest } = head.entry;
  return { ...disk, base: { seq, entrySha256: head.sha256, manifest } };
}

/** The record while its disks advance; saved after each of their steps. */
class Preparation {
  readonly #ports: SnapshotPorts;
  readonly #session: XapiSession;
  readonly #vault: string;
  readonly #hosts: readonly XapiHost[];
  readonly #storageClass: StorageClass | undefined;
  /** States that an earlier call left behind. */
  readonly #resumed: ReadonlySet<DiskProgress>;
  #record: RunRecord;

  constructor(ports: SnapshotPorts, run: RunContext & { vault: string; record: RunRecord }) {
    this.#ports = ports;
    this.#hosts = [run.pool.host, ...run.pool.redirects];
    this.#session = run.session;
    this.#vault = run.vault;
    this.#record = run.record;
    this.#storageClass = run.input.request.storageClass;
    this.#resumed = new Set(run.record.disks.map(({ progress }) => progress));
  }

  async advance(): Promise<RunRecord> {
    const { clock, signal } = this.#ports;
    const endsAtMs = clock.now().getTime() + PATIENCE_MS;
    for (;;) {
      let moved = false;
      for (const disk of this.#record.disks) moved = (await this.#step(disk)) || moved;
      if (this.#record.disks.every(isCompared)) return this.#record;
      // Also while things move: a host that forgets each task at once would keep them moving in a circle.
      if (clock.now().getTime() >= endsAtMs) return this.#record;
      if (!moved) await clock.sleep(LOOK_PAUSE_MS, signal);
    }
  }

  async #step(disk: RunDisk): Promise<boolean> {
    const { store, clock, signal } = this.#ports;
    if (isCompared(disk)) return false;
    const base = disk.base === undefined ? undefined : await ManifestReader.open(store, disk.base.manifest);
    const context = {
      session: this.#session,
      store,
      vault: this.#vault,
      run: this.#record.run,
      now: () => clock.now(),
      signal,
      hosts: this.#hosts,
      storageClass: this.#storageClass,
    };
    const resumed = this.#resumed.has(disk.progress);
    const next = await this.#advanceOrSkip({ ...context, base, resumed }, disk);
    if (next === disk) return false;
    await saveRunRecord(store, this.#record);
    return true;
  }

  /** A disk of a kind that cannot be snapshotted is left out with the host's reason; the others are backed up. */
  async #advanceOrSkip(context: DiskContext, disk: RunDisk): Promise<RunDisk | undefined> {
    const others = (replacement: readonly RunDisk[]) =>
      this.#record.disks.flatMap((other) => (other.disk === disk.disk ? replacement : [other]));
    try {
      const next = await advanceDisk(context, disk);
      this.#record = withDisk({ ...this.#record, disks: others([next]) }, next);
      return next;
    } catch (failure) {
      if (!(failure instanceof DiskUnsupported) || this.#record.disks.length === 1) throw failure;
      const skipped = [...this.#record.skipped, { disk: disk.disk, why: failure.message }];
      this.#record = { ...this.#record, disks: others([]), skipped };
      return undefined;
    }
  }
}

/** Notes what the disk's step has put on the host. */
function withDisk(record: RunRecord, { progress }: RunDisk): RunRecord {
  if (progress.step !== 'snapshotted') return record;
  const what = `snapshot ${progress.snapshot}`;
  return record.created.includes(what) ? record : { ...record, created: [...record.created, what] };
}

function isCompared(disk: RunDisk): disk is ComparedDisk {
  return disk.progress.step === 'compared';
}

function describeWait(disks: readonly RunDisk[]): string {
  return disks
    .filter((disk) => !isCompared(disk))
    .map((disk) => `${disk.progress.step} ${disk.disk}`)
    .join(', ');
}

/** The plan is written last and only if absent: when it exists, all that it refers to exists. */
async function makeReady(
  { store, signal }: SnapshotPorts,
  run: RunContext & { readonly record: RunRecord; readonly disks: readonly ComparedDisk[] },
): Promise<SnapshotResult> {
  const { input, pool, session, record, disks } = run;
  const { readers = DEFAULT_READERS } = record;
  const exports: { disk: RunDisk['disk']; exports: Awaited<ReturnType<typeof nbdExports>> }[] = [];
  for (const disk of disks) {
    exports.push({
      disk: disk.disk,
      exports: await nbdExports(session, { disk: disk.disk, vdi: disk.progress.snapshot, pool }),
    });
  }
  const { run: runId } = record;
  await writeConnection(store, connectionOf(run, exports));
  const metadataKey = await keepVmMetadata(store, { session, vm: record.vm, run: runId, signal });
  const { storageClass, lock } = input.request;
  const plan = planDocument({ record, disks, readers, storageClass, lock, metadataKey });
  await store.putIfAbsent(vaultKeys.plan(runId), encodeDocument(plan));
  await saveRunRecord(store, { ...record, state: 'ready' });
  return { ready: true, runId, disks: disks.length, readers };
}
