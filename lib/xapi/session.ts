/**
 * A session with the coordinator of a pool.
 *
 * ```
 *   loginXapi --HOST_IS_SLAVE, address allowed--> log in there, once
 *      |
 *      v                SESSION_INVALID
 *    open  --call--> . -----------------> log in again, repeat the call once
 *      |   <---------'
 *      +-- handOver --> lives on; a later invocation resumes it
 *      +-- logout   --> ended
 *      +-- disposed --> ended if it logged in and was not handed over; connections are closed in any case
 * ```
 */

import type { Clock } from '#lib/clock.ts';
import { Failure } from '#lib/failure.ts';
import type { Secret } from '#lib/secret.ts';
import { type ApiCall, callApi } from './api-call.ts';
import { SessionLost } from './failures.ts';
import type { XapiHost } from './pinned-agent.ts';
import { type CallKind, decideRetry, MAX_ATTEMPTS } from './retry-policy.ts';
import type { XapiTransport } from './transport.ts';
import { nothing, type Reply } from './wire-types.ts';
import type { XmlValue } from './xmlrpc-codec.ts';

/** Short, since a logout often runs in the last seconds of an invocation. */
const LOGOUT_DEADLINE_MS = 5_000;

/** What the typed calls of this folder need of a session. */
export type XapiCaller = Pick<XapiSession, 'read' | 'change' | 'secrets' | 'hostName'>;

export interface SessionParts {
  readonly transport: XapiTransport;
  readonly reference: Secret;
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
  /** How to get another session when this one is lost, and what else to keep out of failures. */
  readonly login: { readonly again: () => Promise<Secret>; readonly password: Secret } | null;
}

export class XapiSession implements AsyncDisposable {
  readonly #parts: SessionParts;
  /** All references this object has had, newest last: none may appear in a failure. */
  readonly #references: Secret[];
  #renewal: Promise<void> | null = null;
  #endsWithScope: boolean;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.#references = [parts.reference];
    this.#endsWithScope = parts.login !== null;
  }

  /** The reference to hand to NBD export names and to later invocations. A new login changes it. */
  get sessionReference(): Secret {
    return this.#references.at(-1) ?? this.#parts.reference;
  }

  get hostName(): string {
    return this.#parts.transport.hostName;
  }

  /** The coordinator that the session was opened at, after a redirection that was followed. */
  get host(): XapiHost {
    return this.#parts.transport.host;
  }

  get secrets(): readonly Secret[] {
    return this.#parts.login === null ? this.#references : [this.#parts.login.password, ...this.#references];
  }

  /** A call that changes nothing: it is repeated when its connection was lost. */
  read<T>(method: string, params: readonly XmlValue[], reply: Reply<T>): Promise<T> {
    return this.#call({ method, params, reply }, 'read');
  }

  /** A call with an effect. After `AnswerLost` and `AnswerOverdue` the caller has to look whether it happened. */
  change<T>(method: string, params: readonly XmlValue[], reply: Reply<T>): Promise<T> {
    return this.#call({ method, params, reply }, 'change');
  }

  /** Leaves the session open on the host beyond this object. Whoever gets the reference has to log it out. */
  handOver(): Secret {
    this.#endsWithScope = false;
    return this.sessionReference;
  }

  /** Ends the session on the host. A session that is gone already is logged out. */
  async logout(): Promise<void> {
    this.#endsWithScope = false;
    try {
      const call = { method: 'session.logout', params: [], reply: nothing };
      // Not under the caller's signal: when that has fired, the session still has to go.
      const context = { ...this.#context(this.sessionReference), signal: undefined };
      await callApi(call, { ...context, answerDeadlineMs: LOGOUT_DEADLINE_MS });
    } catch (failure) {
      if (!(failure instanceof SessionLost)) throw failure;
    }
  }

  /**
   * Never throws a failure of the host: it would take the place of the error that ended the scope, and a session that
   * could not be logged out is collected by the host after 24 h.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#endsWithScope) await this.logout();
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
    } finally {
      this.#parts.transport.close();
    }
  }

  async #call<T>(call: ApiCall<T>, callKind: CallKind): Promise<T> {
    let repeats = 0;
    let loggedInAgain = false;
    for (let attempt = 1; attempt < MAX_ATTEMPTS; attempt++) {
      const session = this.sessionReference;
      try {
        return await callApi(call, this.#context(session));
      } catch (failure) {
        const decision = decideRetry({ failure, callKind, repeats, loggedInAgain });
        if (decision.kind === 'leave') throw failure;
        if (decision.kind === 'repeat') {
          repeats++;
          await this.#parts.clock.sleep(decision.pauseMs, this.#parts.signal);
        } else {
          loggedInAgain = true;
          await this.#renew(session, failure);
        }
      }
    }
    return await callApi(call, this.#context(this.sessionReference));
  }

  /** Calls that lose the same session at the same time share one new login. */
  async #renew(lost: Secret, failure: unknown): Promise<void> {
    const { login } = this.#parts;
    if (login === null) throw failure;
    if (this.sessionReference !== lost) return;
    this.#renewal ??= login
      .again()
      .then((reference) => {
        this.#references.push(reference);
      })
      .finally(() => {
        this.#renewal = null;
      });
    await this.#renewal;
  }

  #context(session: Secret) {
    return { transport: this.#parts.transport, session, secrets: this.secrets, signal: this.#parts.signal };
  }
}
