/** One transfer to a host: sent to whichever host has the storage, repeated while that may help, judged by its task. */

import type { Clock } from '#lib/clock.ts';
import { Failure } from '#lib/failure.ts';
import { AnswerLost, TransferRedirected, UnexpectedReply } from '#lib/xapi/failures.ts';
import { hostNamed, type XapiHost } from '#lib/xapi/pinned-agent.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { createTask, taskResult, waitForTask } from '#lib/xapi/task.ts';
import type { Reply, TaskRef } from '#lib/xapi/wire-types.ts';

/** A network that breaks four transfers in a row is not getting better while we wait. */
const MAX_ATTEMPTS = 4;
const PAUSE_MS = 5_000;
/** After the last byte the host writes out and detaches. */
const TASK_DEADLINE_MS = 300_000;

export interface HostAccess {
  readonly session: XapiSession;
  /** Hosts of the pool, each with its own pin, that may be sent to when the coordinator does not reach the storage. */
  readonly otherHosts: readonly XapiHost[];
  readonly clock: Clock;
  readonly signal?: AbortSignal;
}

export interface HostTransfer<T> {
  /** What the host's task is called, and what a failure says was tried. */
  readonly label: string;
  readonly send: (host: XapiHost, task: TaskRef) => Promise<void>;
  /** What the task answers with. */
  readonly result: Reply<T>;
}

/** Sends it to the host that the last one went to; a redirection to a host without a pin is a failure. */
export class HostTransfers {
  readonly #access: HostAccess;
  #host: XapiHost;

  constructor(access: HostAccess) {
    this.#access = access;
    this.#host = access.session.host;
  }

  /** Only for what may happen twice: whether a broken transfer had its effect is not known. */
  async repeatable<T>(transfer: HostTransfer<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.once(transfer);
      } catch (failure) {
        const mayHelp = failure instanceof Failure && (failure.transient || isHostRetry(failure));
        if (!mayHelp || attempt >= MAX_ATTEMPTS) throw failure;
        await this.#access.clock.sleep(PAUSE_MS, this.#access.signal);
      }
    }
  }

  async once<T>({ label, send, result }: HostTransfer<T>): Promise<T> {
    const { session, clock, signal } = this.#access;
    const task = await createTask(session, `Blockferry: ${label}`);
    let broken: AnswerLost | undefined;
    try {
      await this.#sendTo((host) => send(host, task));
    } catch (failure) {
      if (!(failure instanceof AnswerLost)) throw failure;
      broken = failure;
    }
    // The connection may break and the host have everything, or end well and the host have failed: the task knows.
    const wait = { clock, deadlineMs: TASK_DEADLINE_MS, ...(signal === undefined ? {} : { signal }) };
    const outcome = await waitForTask(session, { task, result }, wait);
    if (outcome.kind === 'pending' && broken !== undefined) throw broken;
    return taskResult(outcome, label);
  }

  async #sendTo(send: (host: XapiHost) => Promise<void>): Promise<void> {
    try {
      await send(this.#host);
    } catch (failure) {
      if (!(failure instanceof TransferRedirected)) throw failure;
      const { session, otherHosts } = this.#access;
      const permitted = hostNamed([...otherHosts, session.host], failure.address);
      if (permitted === undefined) {
        throw new UnexpectedReply(
          `${failure.message} ${failure.address} is not among the hosts whose certificate is known, so nothing was sent ` +
            'there; add it with its certificate, or choose an SR that the coordinator reaches.',
          { cause: failure },
        );
      }
      this.#host = permitted;
      await send(permitted);
    }
  }
}

function isHostRetry(failure: Failure): boolean {
  return 'reaction' in failure && (failure.reaction === 'retry' || failure.reaction === 'retry-once');
}
