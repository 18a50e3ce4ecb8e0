/** A new disk on a host as restore target: blocks gathered into bounded transfers, each of which can be repeated. */

import type { Clock } from '#lib/clock.ts';
import { Failure } from '#lib/failure.ts';
import { type Bytes, MIB } from '#lib/units.ts';
import { AnswerLost, AnswerOverdue, HostUnreachable, VdiInUse } from '#lib/xapi/failures.ts';
import type { XapiHost } from '#lib/xapi/pinned-agent.ts';
import { type DiskChunk, importRawVdi } from '#lib/xapi/raw-vdi-import.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { createTask, type StartedTask, taskResult, unlessGone, waitForTask } from '#lib/xapi/task.ts';
import { startVdiDestroy } from '#lib/xapi/vdi.ts';
import { nothing, type VdiRef } from '#lib/xapi/wire-types.ts';
import type { RestoreTarget } from './restore-disk.ts';

/** Ends within a minute at 10 Mbit/s, and costs the host one attachment of a few seconds. */
const TRANSFER_BYTES = 64 * MIB;
/** A network that breaks four transfers in a row is not getting better while we wait. */
const MAX_ATTEMPTS = 4;
const PAUSE_MS = 5_000;
/** After the last byte the host writes out and detaches. */
const TASK_DEADLINE_MS = 300_000;
/** The host detaches the disk of a broken transfer some time after it noticed. */
const MAX_DESTROY_ATTEMPTS = 12;

export interface HostAccess {
  readonly session: XapiSession;
  readonly host: XapiHost;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
}

export class HostDisk implements RestoreTarget {
  readonly #access: HostAccess;
  readonly #vdi: VdiRef;
  #gathered: DiskChunk[] = [];
  #gatheredBytes = 0;
  #transfers: Promise<void> = Promise.resolve();

  constructor(access: HostAccess, vdi: VdiRef) {
    this.#access = access;
    this.#vdi = vdi;
  }

  /** Waits while a transfer runs: memory stays at two transfers' worth. */
  async write(offsetBytes: Bytes, data: Buffer): Promise<void> {
    this.#gathered.push({ offsetBytes, data });
    this.#gatheredBytes += data.length;
    if (this.#gatheredBytes >= TRANSFER_BYTES) this.#begin();
    await this.#transfers;
  }

  async finish(): Promise<void> {
    if (this.#gatheredBytes > 0) this.#begin();
    await this.#transfers;
  }

  /** One transfer at a time: the host attaches the disk for each, and it can be attached only once. */
  #begin(): void {
    const chunks = this.#gathered;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#transfers = this.#transfers.then(() => this.#transfer(chunks));
  }

  async #transfer(chunks: readonly DiskChunk[]): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#transferOnce(chunks);
        return;
      } catch (failure) {
        const mayHelp = failure instanceof Failure && (failure.transient || isHostRetry(failure));
        if (!mayHelp || attempt >= MAX_ATTEMPTS) throw failure;
        await this.#access.clock.sleep(PAUSE_MS, this.#access.signal);
      }
    }
  }

  async #transferOnce(chunks: readonly DiskChunk[]): Promise<void> {
    const { session, host, signal } = this.#access;
    const task = await createTask(session, 'Blockferry: restoring a disk');
    let sent: unknown;
    try {
      await importRawVdi(host, { session, vdi: this.#vdi, task, chunks }, signal);
    } catch (failure) {
      if (!(failure instanceof AnswerLost)) throw failure;
      sent = failure;
    }
    // The connection may break and the host have everything, or end well and the host have failed: the task knows.
    const outcome = await this.#ended({ task, result: nothing });
    if (outcome.kind === 'pending' && sent !== undefined) throw sent;
    taskResult(outcome, 'Writing a piece of the restored disk');
  }

  #ended(task: StartedTask<void>) {
    const { session, clock, signal } = this.#access;
    const wait = { clock, deadlineMs: TASK_DEADLINE_MS, ...(signal === undefined ? {} : { signal }) };
    return waitForTask(session, task, wait);
  }
}

function isHostRetry(failure: Failure): boolean {
  return 'reaction' in failure && (failure.reaction === 'retry' || failure.reaction === 'retry-once');
}

/** Destroys a disk that did not become whole; the caller's error stays the one that counts. */
export async function destroyHostDisk({ session, clock }: HostAccess, vdi: VdiRef): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      const started = await startVdiDestroy(session, vdi);
      const outcome = await waitForTask(session, started, { clock, deadlineMs: TASK_DEADLINE_MS });
      await unlessGone(Promise.resolve().then(() => taskResult(outcome, 'Destroying the unfinished disk')));
      return;
    } catch (failure) {
      const mayHelp =
        failure instanceof VdiInUse ||
        failure instanceof HostUnreachable ||
        failure instanceof AnswerLost ||
        failure instanceof AnswerOverdue;
      if (!mayHelp || attempt >= MAX_DESTROY_ATTEMPTS) throw failure;
      await clock.sleep(PAUSE_MS);
    }
  }
}
