/** Which certificate a host must show. There is no way to say "any". */

import { checkServerIdentity, type PeerCertificate, type TLSSocket } from 'node:tls';
import { parseSha256, type Sha256 } from '#lib/units.ts';
import { HostSettingsInvalid } from './failures.ts';

/**
 * `fingerprint`: SHA-256 of the leaf certificate, for the self-signed certificate that a host makes for itself; its
 * names and its validity do not matter then. `authority`: the leaf must be signed by one of the PEM certificates, be
 * valid now, and carry `servername` as a DNS name or an IP address.
 */
export type CertificatePin =
  | { readonly kind: 'fingerprint'; readonly sha256: Sha256 }
  | { readonly kind: 'authority'; readonly pem: string; readonly servername: string };

/** Reads a fingerprint as `openssl x509 -fingerprint -sha256` prints it, or as 64 hexadecimal digits. */
export function parseFingerprint(text: string): Sha256 {
  return parseSha256(
    text
      .trim()
      .replace(/^sha256 fingerprint=/i, '')
      .replaceAll(':', '')
      .toLowerCase(),
  );
}

/** A PEM authority that is not a certificate would be noticed only as a handshake that never succeeds. */
export function assertUsablePin(pin: CertificatePin): void {
  if (pin.kind === 'fingerprint') return;
  if (!pin.pem.includes('-----BEGIN CERTIFICATE-----')) {
    throw new HostSettingsInvalid('The authority of the host is not a PEM certificate: give the CA file itself.');
  }
  // A host answers the server name `pool` with the certificate that its pool uses internally.
  if (pin.servername === '' || pin.servername === 'pool') {
    throw new HostSettingsInvalid(
      `${JSON.stringify(pin.servername)} cannot be the server name of a host: give the name in its certificate.`,
    );
  }
}

/** Compares the name of an authority's pin with the certificate, whatever address was dialled. */
export function namedAs(servername: string): (dialled: string, certificate: PeerCertificate) => Error | undefined {
  return (_dialled, certificate) => checkServerIdentity(servername, certificate);
}

/** Why the peer of a finished handshake is not the pinned host, or null when it is. */
export function pinViolation(socket: TLSSocket, pin: CertificatePin): string | null {
  if (pin.kind === 'authority') {
    return socket.authorized ? null : `is not trusted (${String(socket.authorizationError)})`;
  }
  const shown = socket.getPeerX509Certificate()?.fingerprint256;
  if (shown === undefined) return 'is missing';
  const sha256 = parseFingerprint(shown);
  return sha256 === pin.sha256 ? null : `has the SHA-256 fingerprint ${sha256}, pinned is ${pin.sha256}`;
}
