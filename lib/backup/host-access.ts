/** How the steps reach a pool: its settings, and one API session that a run keeps from its first step to its last. */

import type { Clock } from '#lib/clock.ts';
import { Failure } from '#lib/failure.ts';
import type { Secret } from '#lib/secret.ts';
import { SessionLost } from '#lib/xapi/failures.ts';
import { loginXapi, resumeXapi, type XapiCredentials } from '#lib/xapi/login.ts';
import type { XapiHost } from '#lib/xapi/pinned-agent.ts';
import { readPool } from '#lib/xapi/pool.ts';
import type { XapiSession } from '#lib/xapi/session.ts';

/** Tells Blockferry's sessions from those of other clients in the host's session list. */
const ORIGINATOR = 'blockferry';

export interface PoolSettings {
  readonly name: string;
  readonly host: XapiHost;
  /** Hosts that may be followed to when `host` is not the coordinator any more. */
  readonly redirects: readonly XapiHost[];
  /** `insecure` only for a lab whose NBD network has the purpose insecure_nbd. */
  readonly nbd: 'tls' | 'insecure';
  readonly credentials: (options: { signal: AbortSignal }) => Promise<XapiCredentials>;
}

export interface Pools {
  /** Of all that the settings describe. */
  readonly names: readonly string[];
  /** The only pool when no name is given. Throws UnknownPool. */
  named(name: string | undefined): PoolSettings;
}

/** The settings have no pool of this name, or several where none was named. */
export class UnknownPool extends Failure {
  static override readonly failureName = 'UnknownPool';
}

export interface HostTime {
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Goes on with the run's session, or logs in when there is none or the host has ended it. */
export async function openHostSession(
  pool: PoolSettings,
  stored: Secret | undefined,
  { clock, signal }: HostTime,
): Promise<XapiSession> {
  if (stored !== undefined) {
    const session = resumeXapi({ host: pool.host, session: stored, clock, signal });
    try {
      await readPool(session);
      return session;
    } catch (cause) {
      await session[Symbol.asyncDispose]();
      if (!(cause instanceof SessionLost)) throw cause;
    }
  }
  const credentials = await pool.credentials({ signal });
  const { host, redirects } = pool;
  return loginXapi({ host, redirects, credentials, originator: ORIGINATOR, clock, signal });
}
