/** Whether the certificate that an NBD server shows is the one that the host's API names. */

import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { NbdCertificateMismatch } from '#lib/nbd/failures.ts';

/** What `VDI.get_nbd_info` says about the server's certificate. */
export interface ExpectedCertificate {
  readonly certificatePem: string;
  /** The name the certificate was issued for; may be an IP address. */
  readonly subject: string;
}

/**
 * How the certificate was verified, best first: it is the one the API names; it has that one's public key, so it was
 * renewed; or the API names an authority that issued it for the subject.
 */
export type VerifiedBy = 'certificate' | 'public-key' | 'authority';

/**
 * Throws NbdCertificateMismatch unless the shown certificate is trusted. Equality comes first because the API names
 * nothing but the leaf, even when an authority issued it: a chain cannot be built from that. The handshake has already
 * proved that the peer holds the private key. `chainVerified` says that TLS accepted chain and subject with the named
 * certificate as the only authority.
 */
export function verifyCertificate(
  shown: X509Certificate | undefined,
  expected: ExpectedCertificate,
  { peer, chainVerified }: { peer: string; chainVerified: boolean },
): VerifiedBy {
  if (shown === undefined) throw new NbdCertificateMismatch(`${peer} shows no certificate`);
  const named = parseExpected(expected, peer);
  if (shown.raw.equals(named.raw)) return 'certificate';
  const namedKey = publicKeyDer(named);
  if (namedKey !== undefined && publicKeyDer(shown)?.equals(namedKey)) return 'public-key';
  if (chainVerified) return 'authority';
  throw new NbdCertificateMismatch(
    `${peer} shows the certificate with SHA-256 ${shown.fingerprint256}, the host's API names ${named.fingerprint256}; if the host's certificate was changed, its NBD service has to be restarted`,
    { details: { shown: shown.fingerprint256, expected: named.fingerprint256 } },
  );
}

/** The name for the SNI extension, which must be a host name: an address or a free text is left out. */
export function serverName(subject: string): string {
  return isIP(subject) === 0 && /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/i.test(subject) ? subject : '';
}

/** The certificate that the API named; throws NbdCertificateMismatch when it cannot be parsed. */
export function parseExpected({ certificatePem }: ExpectedCertificate, peer: string): X509Certificate {
  try {
    return new X509Certificate(certificatePem);
  } catch (cause) {
    throw new NbdCertificateMismatch(`the certificate that the host's API names for ${peer} is not PEM`, { cause });
  }
}

/** Undefined for a certificate whose key cannot be read, which OpenSSL says only when it is asked for the key. */
function publicKeyDer(certificate: X509Certificate): Buffer | undefined {
  try {
    return certificate.publicKey.export({ type: 'spki', format: 'der' });
  } catch {
    return undefined;
  }
}
