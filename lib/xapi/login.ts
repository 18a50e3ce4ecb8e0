/** Opens sessions: with a password, or with the reference of a session that an earlier invocation opened. */

import * as z from 'zod/mini';
import type { Clock } from '#lib/clock.ts';
import { Secret } from '#lib/secret.ts';
import { callApi } from './api-call.ts';
import { HostSettingsInvalid, NotCoordinator } from './failures.ts';
import { hostName, hostNamed, hostUrl, type XapiHost } from './pinned-agent.ts';
import { XapiSession } from './session.ts';
import { type TransportLimits, XAPI_LIMITS, XapiTransport } from './transport.ts';

export interface XapiCredentials {
  readonly username: string;
  readonly password: Secret;
}

export interface LoginOptions {
  readonly host: XapiHost;
  readonly credentials: XapiCredentials;
  /**
   * Name of this client in the host's session list. The host silently ends the least recently used of 500 sessions with
   * one name, so that two products must not share it.
   */
  readonly originator: string;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
  /**
   * Hosts that may be followed to when the first one is not the coordinator, each with its own pin: the password goes
   * there. None by default.
   */
  readonly redirects?: readonly XapiHost[];
  readonly limits?: TransportLimits;
}

export interface ResumeOptions {
  readonly host: XapiHost;
  readonly session: Secret;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
  readonly limits?: TransportLimits;
}

const sessionReference = z.pipe(
  z.string().check(z.minLength(1)),
  z.transform((reference: string) => new Secret(reference)),
);

/** Logs in at the coordinator. Disposing the session logs it out unless it was handed over. */
export async function loginXapi(options: LoginOptions): Promise<XapiSession> {
  try {
    return await openSession(options, options.host);
  } catch (failure) {
    if (!(failure instanceof NotCoordinator)) throw failure;
    return await openSession(options, permittedCoordinator(options, failure));
  }
}

/**
 * Goes on with a session; nothing is sent yet. Without a password a lost session stays lost. Disposing leaves the session
 * open: call `logout` where it is to end.
 */
export function resumeXapi(options: ResumeOptions): XapiSession {
  // The host would refuse an empty reference as a lost session, which hides where it came from.
  if (options.session.reveal() === '') throw new HostSettingsInvalid('The stored session reference is empty.');
  return new XapiSession({
    transport: new XapiTransport(options.host, options.limits ?? XAPI_LIMITS),
    reference: options.session,
    clock: options.clock,
    signal: options.signal,
    login: null,
  });
}

async function openSession(options: LoginOptions, host: XapiHost): Promise<XapiSession> {
  const { credentials, clock, signal } = options;
  const transport = new XapiTransport(host, options.limits ?? XAPI_LIMITS);
  const again = (): Promise<Secret> => login(transport, options);
  try {
    const reference = await again();
    return new XapiSession({ transport, reference, clock, signal, login: { again, password: credentials.password } });
  } catch (failure) {
    transport.close();
    throw failure;
  }
}

/** After a lost answer the host may hold a session that nobody knows; it collects that one after 24 h. */
function login(transport: XapiTransport, options: LoginOptions): Promise<Secret> {
  const { username, password } = options.credentials;
  // The third parameter, a version, is ignored by the host but has to be there for the originator to be the fourth.
  const params = [username, password, '1.0', options.originator];
  const call = { method: 'session.login_with_password', params, reply: sessionReference };
  return callApi(call, { transport, session: null, secrets: [password], signal: options.signal });
}

function permittedCoordinator(options: LoginOptions, failure: NotCoordinator): XapiHost {
  const permitted = hostNamed(options.redirects ?? [], failure.address);
  if (permitted !== undefined) return permitted;
  throw new NotCoordinator(
    `${hostName(hostUrl(options.host))} is not the coordinator of its pool; it names ${failure.address}, which is not ` +
      'among the allowed hosts. Nothing was sent there. Add that host with its certificate, or use it as the host.',
    { code: failure.code, reaction: failure.reaction, details: failure.details, cause: failure },
  );
}
