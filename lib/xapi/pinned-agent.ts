/** Connections to one host that carry nothing before the host's certificate has been compared with the pin. */

import { Agent } from 'node:https';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { assertUsablePin, type CertificatePin, namedAs, pinViolation } from './certificate-pin.ts';
import { connectCure } from './connect-cure.ts';
import { HostCertificateMismatch, HostSettingsInvalid, HostUnreachable } from './failures.ts';

/** Where the API is and which certificate it shows. */
export interface XapiHost {
  /** `https://<name or address>[:port]`, without a path. */
  readonly url: string;
  readonly pin: CertificatePin;
}

export function hostUrl(host: XapiHost): URL {
  return parseHostUrl(host.url);
}

/** The parsed address of a host; refuses what is not https. */
export function parseHostUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null || url.protocol !== 'https:' || url.username !== '' || url.password !== '') {
    throw new HostSettingsInvalid('The address of a host must be https://<name>[:port] and hold no credentials.');
  }
  return url;
}

/** The name or address of a host without the brackets that an IPv6 address has in a URL. */
export function hostName(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}

/** The one of `hosts` that the pool calls by this name or address. */
export function hostNamed(hosts: readonly XapiHost[], named: string): XapiHost | undefined {
  // One IPv6 address has many spellings; the URL parser brings both to the same.
  const canonical = isIP(named) === 6 ? URL.parse(`https://[${named}]`)?.hostname.slice(1, -1) : named;
  return hosts.find((host) => hostName(hostUrl(host)).toLowerCase() === canonical?.toLowerCase());
}

/** A keep-alive agent for one host. Destroy it at the end: its idle connections keep the process alive. */
export class PinnedAgent extends Agent {
  readonly #host: XapiHost;
  readonly #url: URL;
  readonly #deadlineMs: number;

  constructor(host: XapiHost, connectDeadlineMs: number) {
    super({ keepAlive: true });
    assertUsablePin(host.pin);
    this.#host = host;
    this.#url = hostUrl(host);
    this.#deadlineMs = connectDeadlineMs;
  }

  /**
   * Hands the socket over only after the comparison. Returning it at once, as the usual agent does, would let the
   * request be queued on it and be encrypted and sent the moment the handshake ends, before anybody looked.
   */
  override createConnection(
    _options: unknown,
    callback?: (error: Error | null, socket: Duplex) => void,
  ): Duplex | null | undefined {
    const socket = connect(tlsOptions(this.#url, this.#host.pin));
    let ended = false;
    const end = (failure: Error | null): void => {
      if (ended) return;
      ended = true;
      clearTimeout(deadline);
      if (failure !== null) socket.destroy();
      callback?.(failure, socket);
    };
    const where = this.#url.host;
    const deadline = setTimeout(
      () => end(new HostUnreachable(`Connecting to ${where} took longer than ${this.#deadlineMs} ms.`)),
      this.#deadlineMs,
    );
    socket.once('secureConnect', () => end(this.#mismatch(pinViolation(socket, this.#host.pin))));
    socket.on('error', (cause) => end(this.#connectFailure(socket, cause)));
    socket.once('close', () => end(new HostUnreachable(`${where} closed the connection before TLS was established.`)));
    return undefined;
  }

  #connectFailure(socket: TLSSocket, cause: Error): Error {
    // OpenSSL's verdict on a certificate ends the handshake as an error of the socket, with the reason beside it.
    if (socket.authorizationError) return this.#mismatch(`is not trusted (${cause.message})`) ?? cause;
    const cure = connectCure(cause);
    return new HostUnreachable(`Connecting to ${this.#url.host} did not work: ${cause.message}. ${cure}`, {
      cause,
      details: { cure },
    });
  }

  #mismatch(violation: string | null): HostCertificateMismatch | null {
    if (violation === null) return null;
    return new HostCertificateMismatch(
      `The certificate of ${this.#url.host} ${violation}. Nothing was sent. If the certificate was replaced on purpose, ` +
        'read its new fingerprint on the console of the host and pin that.',
      { details: { host: this.#url.host } },
    );
  }
}

function tlsOptions(url: URL, pin: CertificatePin): ConnectionOptions {
  const shared = {
    host: hostName(url),
    port: url.port === '' ? 443 : Number(url.port),
    // Hosts speak TLS 1.2 only; nothing older may be negotiated. No session is resumed, since a resumed one would not
    // show its certificate again.
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['http/1.1'],
  } as const;
  if (pin.kind === 'fingerprint') {
    // OpenSSL cannot judge a self-signed certificate of which only the digest is known. The comparison with the pin
    // after the handshake replaces its verdict. No server name is sent: the host has one certificate for outsiders.
    return { ...shared, rejectUnauthorized: false };
  }
  return {
    ...shared,
    rejectUnauthorized: true,
    ca: pin.pem,
    checkServerIdentity: namedAs(pin.servername),
    // TLS forbids addresses as server names.
    ...(isIP(pin.servername) === 0 ? { servername: pin.servername } : {}),
  };
}
