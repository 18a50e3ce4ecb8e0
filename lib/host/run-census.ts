/** Which runs of the vault are over without having been released. Only certain knowledge counts: doubt spares a run. */

import { type ConnectionDocument, readConnection } from '#lib/backup/connection-document.ts';
import { readLeaseHolder } from '#lib/backup/lease.ts';
import { runIdOf } from '#lib/backup/run-id.ts';
import { type Remark, type RunRecord, readRunRecord } from '#lib/backup/run-record.ts';
import type { Executions } from '#lib/executions/executions.ts';
import { Failure } from '#lib/failure.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { ListedObject, ObjectStore } from '#lib/store/object-store.ts';
import { parseRunId, parseVmId, type RunId, type VmId } from '#lib/units.ts';

export interface CensusPorts {
  readonly store: ObjectStore;
  readonly executions: Executions;
  readonly now: Date;
  readonly signal: AbortSignal;
}

/**
 * A function may go on for some minutes after its execution was stopped. What was written during the last ten minutes,
 * twice the longest step that touches the host, is therefore left for the next sweep.
 */
const QUIET_MS = 10 * 60_000;
/** For this long the host may keep a request for a snapshot pending before it carries it out. */
const PENDING_LIMIT_MS = 24 * 3_600_000;
/** One run a day of 250 VMs for a year; beyond that something else is wrong with the vault. */
const MAX_RUNS = 100_000;

export interface HeldLease {
  readonly vm: VmId;
  readonly holder: string;
}

export interface Census {
  /** Every readable record. */
  readonly records: ReadonlyMap<RunId, RunRecord>;
  /** Runs that are over and may have left something, with the reason to look. */
  readonly dead: readonly { readonly record: RunRecord; readonly why: string }[];
  /** Runs that may still act. */
  readonly alive: ReadonlySet<RunId>;
  /** Leases whose holder is over. */
  readonly leases: readonly HeldLease[];
  /** Connection objects of runs that died before they had a record. */
  readonly connections: readonly ConnectionDocument[];
  readonly spared: readonly Remark[];
  /** What could not be read or asked about, with the reason. */
  readonly unexamined: readonly Remark[];
}

export async function takeCensus(ports: CensusPorts): Promise<Census> {
  const census = new CensusTaker(ports);
  await census.readRuns();
  await census.readConnections();
  await census.readLeases();
  return census;
}

class CensusTaker implements Census {
  readonly records = new Map<RunId, RunRecord>();
  readonly dead: { record: RunRecord; why: string }[] = [];
  readonly alive = new Set<RunId>();
  readonly leases: HeldLease[] = [];
  readonly connections: ConnectionDocument[] = [];
  readonly spared: Remark[] = [];
  readonly unexamined: Remark[] = [];
  readonly #ports: CensusPorts;

  constructor(ports: CensusPorts) {
    this.#ports = ports;
  }

  async readRuns(): Promise<void> {
    const { store } = this.#ports;
    for await (const object of store.list(vaultKeys.runs())) {
      const [, run] = /^runs\/([0-9a-f]{16})\/run\.json$/.exec(object.key) ?? [];
      if (run === undefined) continue;
      if (this.records.size + this.unexamined.length >= MAX_RUNS) {
        this.unexamined.push({ what: 'all further runs', why: `there are more than ${MAX_RUNS}` });
        return;
      }
      await this.#sparing(`run ${run}`, parseRunId(run), () => this.#readRun(parseRunId(run), object));
    }
  }

  async #readRun(run: RunId, object: ListedObject): Promise<void> {
    const record = await readRunRecord(this.#ports.store, run);
    if (record === undefined) return;
    this.records.set(run, record);
    const why = whyOpen(record, this.#ports.now);
    if (why === undefined) return;
    if (await this.#mayAct(record.execution, object)) {
      this.alive.add(run);
      this.spared.push({ what: `run ${run} of ${record.vmName}`, why: 'it runs, or ran until a few minutes ago' });
    } else this.dead.push({ record, why });
  }

  /** Of runs that died after they had logged in and before their first record was written. */
  async readConnections(): Promise<void> {
    const { store } = this.#ports;
    for await (const object of store.list(vaultKeys.connections())) {
      const [, name] = /^connections\/([0-9a-f]{16})\.json$/.exec(object.key) ?? [];
      if (name === undefined || this.records.has(parseRunId(name))) continue;
      await this.#sparing(object.key, parseRunId(name), async () => {
        const connection = await readConnection(store, parseRunId(name));
        if (connection === undefined || (await this.#mayAct(connection.execution, object))) return;
        this.connections.push(connection);
      });
    }
  }

  async readLeases(): Promise<void> {
    const { store } = this.#ports;
    for await (const object of store.list(vaultKeys.vms())) {
      const [, vm] = /^vms\/([0-9a-f-]{36})\/lease\.json$/.exec(object.key) ?? [];
      if (vm === undefined) continue;
      await this.#sparing(`the lease of VM ${vm}`, undefined, () => this.#readLease(parseVmId(vm), object));
    }
  }

  async #readLease(vm: VmId, object: ListedObject): Promise<void> {
    const holder = await readLeaseHolder(this.#ports.store, vm);
    if (holder === undefined || (await this.#mayAct(holder, object))) return;
    if (!this.alive.has(runIdOf(holder))) this.leases.push({ vm, holder });
  }

  async #mayAct(execution: string, object: ListedObject): Promise<boolean> {
    const { executions, now, signal } = this.#ports;
    if (now.getTime() - object.lastModified.getTime() < QUIET_MS) return true;
    return executions.isRunning(execution, { signal });
  }

  /** What cannot be read or asked about is neither dead nor a reason to leave everything else lying about. */
  async #sparing(what: string, run: RunId | undefined, look: () => Promise<void>): Promise<void> {
    try {
      await look();
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      if (run !== undefined) this.alive.add(run);
      this.unexamined.push({ what, why: failure.message });
    }
  }
}

/** Why a run's record asks for a look at the host; undefined for one that was released without a remainder. */
function whyOpen(record: RunRecord, now: Date): string | undefined {
  if (record.state !== 'released') return 'its execution ended without releasing the host';
  if (record.left.length > 0) return `its release left ${record.left.map(({ what }) => what).join(', ')} on the host`;
  const mayHaveAsked = record.disks.some(({ progress }) => {
    if (progress.step === 'asked' || progress.step === 'snapshotting') return true;
    return 'strays' in progress && progress.strays !== undefined;
  });
  const recent = now.getTime() - record.started.getTime() < PENDING_LIMIT_MS;
  return mayHaveAsked && recent ? 'a snapshot that it asked for may have come after its release' : undefined;
}
