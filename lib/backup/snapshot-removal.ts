/** Removes snapshots from the host and keeps count: what is gone, what is still in use, what could not be removed. */

import { Failure } from '#lib/failure.ts';
import type { DiskId } from '#lib/units.ts';
import { startDataDestroy } from '#lib/xapi/cbt.ts';
import { CbtMetadataMissing, ObjectGone, OperationInProgress, TaskStillPending, VdiInUse } from '#lib/xapi/failures.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { type StartedTask, taskResult, waitForTask } from '#lib/xapi/task.ts';
import { findVdi, readVdi, startVdiDestroy, type VdiRecord } from '#lib/xapi/vdi.ts';
import type { VdiRef } from '#lib/xapi/wire-types.ts';
import type { HostTime } from './host-access.ts';
import { markedBy, type SnapshotMark } from './snapshot-mark.ts';

/** data_destroy waits 4 s for attachments, destroy queues behind the SR's other work. */
const TASK_DEADLINE_MS = 60_000;
/** Type of a snapshot whose data is gone and whose record of changes is kept. */
const METADATA_TYPE = 'cbt_metadata';

export class SnapshotRemoval {
  readonly #session: XapiSession;
  readonly #time: HostTime;
  readonly #mark: SnapshotMark;
  readonly #removed: string[] = [];
  readonly #left: { what: string; why: string }[] = [];
  readonly #busy: string[] = [];

  constructor(session: XapiSession, time: HostTime, mark: SnapshotMark) {
    this.#session = session;
    this.#time = time;
    this.#mark = mark;
  }

  get removed(): readonly string[] {
    return this.#removed;
  }

  get left(): readonly { readonly what: string; readonly why: string }[] {
    return this.#left;
  }

  /** Still in use on the host: worth another try in a few seconds. */
  get busy(): readonly string[] {
    return this.#busy;
  }

  /** Drops the snapshot's data and keeps its record of changes; without such a record all of it goes. */
  async keepAsBase(uuid: DiskId): Promise<void> {
    await this.#attempt(`data of snapshot ${uuid}`, async () => {
      const ref = await findVdi(this.#session, uuid);
      const record = await readVdi(this.#session, ref);
      if (record.type === METADATA_TYPE) return false;
      if (record.cbt !== 'enabled') return this.#destroy(ref);
      try {
        return await this.#run(await startDataDestroy(this.#session, ref), `dropping the data of ${uuid}`);
      } catch (failure) {
        if (!(failure instanceof CbtMetadataMissing)) throw failure;
        return this.#destroy(ref);
      }
    });
  }

  async destroy(uuid: DiskId): Promise<void> {
    await this.#attempt(`snapshot ${uuid}`, async () => this.#destroy(await findVdi(this.#session, uuid)));
  }

  /** Removes this vault's snapshots of the disk that are older than the kept one, which the next run compares with. */
  async destroyOlder({ disk, kept }: { disk: DiskId; kept: DiskId | undefined }): Promise<void> {
    for (const record of await this.#snapshotsOf(disk)) {
      if (record.uuid !== kept && markedBy(record, this.#mark.vault) !== undefined) await this.destroy(record.uuid);
    }
  }

  async #snapshotsOf(disk: DiskId): Promise<readonly VdiRecord[]> {
    try {
      const live = await readVdi(this.#session, await findVdi(this.#session, disk));
      return await Promise.all(live.snapshots.map((ref) => readVdi(this.#session, ref)));
    } catch (failure) {
      if (failure instanceof ObjectGone) return [];
      throw failure;
    }
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
