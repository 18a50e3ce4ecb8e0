/** Removes snapshots from the host and keeps count: what is gone, what is still in use, what could not be removed. */

import { Failure } from '#lib/failure.ts';
import type { DiskId } from '#lib/units.ts';
import { startDataDestroy } from '#lib/xapi/cbt.ts';
import {
  CbtMetadataMissing,
  ObjectGone,
  OperationInProgress,
  OperationNotAllowed,
  TaskStillPending,
  VdiInUse,
} from '#lib/xapi/failures.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { type StartedTask, taskResult, waitForTask } from '#lib/xapi/task.ts';
import { destroyVbd, readVbd, startVbdUnplug } from '#lib/xapi/vbd.ts';
import { startVdiDestroy } from '#lib/xapi/vdi.ts';
import { readVm } from '#lib/xapi/vm.ts';
import type { VbdRef, VdiRef } from '#lib/xapi/wire-types.ts';
import { findVdiRecord, type ListedVdi } from './disk-snapshots.ts';
import type { HostTime } from './host-access.ts';
import type { Remark } from './run-record.ts';

/** data_destroy waits 4 s for attachments, destroy queues behind the SR's other work. */
const TASK_DEADLINE_MS = 60_000;
/** Type of a snapshot whose data is gone and whose record of changes is kept. */
const METADATA_TYPE = 'cbt_metadata';

export class SnapshotRemoval {
  readonly #session: XapiSession;
  readonly #time: HostTime;
  readonly #removed: string[] = [];
  readonly #left: Remark[] = [];
  readonly #busy: string[] = [];

  constructor(session: XapiSession, time: HostTime) {
    this.#session = session;
    this.#time = time;
  }

  get removed(): readonly string[] {
    return this.#removed;
  }

  get left(): readonly Remark[] {
    return this.#left;
  }

  /** Still in use on the host: worth another try in a few seconds. */
  get busy(): readonly string[] {
    return this.#busy;
  }

  /** Forgets what did not work, to try all of it once more. */
  beginAgain(): void {
    this.#left.length = 0;
    this.#busy.length = 0;
  }

  /** Drops the snapshot's data and keeps its record of changes; without such a record all of it goes. */
  async keepAsBase(uuid: DiskId): Promise<void> {
    await this.#attempt(`data of snapshot ${uuid}`, async () => {
      const record = await this.#snapshot(uuid);
      if (record === undefined) return false;
      if (record.type === METADATA_TYPE) return isSettled(record);
      if (record.cbt !== 'enabled') return this.#destroy(record.ref);
      try {
        return await this.#run(await startDataDestroy(this.#session, record.ref), `dropping the data of ${uuid}`);
      } catch (failure) {
        if (!(failure instanceof CbtMetadataMissing)) throw failure;
        return this.#destroy(record.ref);
      }
    });
  }

  async destroy(uuid: DiskId): Promise<void> {
    await this.#attempt(`snapshot ${uuid}`, async () => {
      const record = await this.#snapshot(uuid);
      return record === undefined ? false : this.#destroy(record.ref);
    });
  }

  /**
   * Takes the snapshot away from the control domains, whose NBD server keeps it for a client that vanished without a
   * word. Attachments to other VMs stay: somebody made them on purpose.
   */
  async detach(uuid: DiskId): Promise<void> {
    const record = await findVdiRecord(this.#session, uuid);
    for (const vbd of record?.vbds ?? []) {
      await this.#attempt(`attachment of snapshot ${uuid} to the control domain`, () => this.#detach(vbd));
    }
  }

  async #detach(ref: VbdRef): Promise<boolean> {
    const vbd = await readVbd(this.#session, ref);
    if (!(await readVm(this.#session, vbd.vm)).isControlDomain) return false;
    if (vbd.currentlyAttached) await this.#run(await startVbdUnplug(this.#session, ref), 'unplugging a snapshot');
    await destroyVbd(this.#session, ref);
    return true;
  }

  /** Whatever the name says: only a snapshot is ever removed, never a disk that somebody works on. */
  async #snapshot(uuid: DiskId): Promise<ListedVdi | undefined> {
    const record = await findVdiRecord(this.#session, uuid);
    if (record === undefined || record.isSnapshot || record.type === METADATA_TYPE) return record;
    throw new OperationNotAllowed(`${uuid} is no snapshot any more; it is left as it is`, {
      code: 'OPERATION_NOT_ALLOWED',
      reaction: 'give-up',
    });
  }

  async #destroy(ref: VdiRef): Promise<boolean> {
    return this.#run(await startVdiDestroy(this.#session, ref), 'destroying a snapshot');
  }

  async #run(started: StartedTask<void>, what: string): Promise<boolean> {
    const { clock, signal } = this.#time;
    const outcome = await waitForTask(this.#session, started, { clock, deadlineMs: TASK_DEADLINE_MS, signal });
    taskResult(outcome, what);
    return true;
  }

  /** One object's trouble must not keep the others on the host: it is noted and the next one is taken. */
  async #attempt(what: string, remove: () => Promise<boolean>): Promise<void> {
    try {
      if (await remove()) this.#removed.push(what);
    } catch (failure) {
      if (failure instanceof ObjectGone) return;
      const busy =
        failure instanceof VdiInUse || failure instanceof OperationInProgress || failure instanceof TaskStillPending;
      if (busy) this.#busy.push(what);
      else if (failure instanceof Failure && !failure.transient) this.#left.push({ what, why: failure.message });
      else throw failure;
    }
  }
}

/**
 * `data_destroy` shows the new type while it waits for attachments to go, and takes it back when they do not: a record
 * that still has one may become a snapshot with data again. Throws VdiInUse then; answers that nothing is left to do.
 */
function isSettled(record: ListedVdi): false {
  if (record.vbds.length === 0) return false;
  throw new VdiInUse(`${record.uuid} is still attached while its data is being dropped; try again in a few seconds`, {
    code: 'VDI_IN_USE',
    reaction: 'retry',
  });
}
