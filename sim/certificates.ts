/** Host certificates: self-signed RSA-2048 leaves and the TLS policy shared by the API and the NBD server. */

import { X509Certificate } from 'node:crypto';
import type { TlsOptions } from 'node:tls';
import { generate } from 'selfsigned';

export interface Certificate {
  readonly keyPem: string;
  readonly certificatePem: string;
  /** SHA-256 of the leaf's DER form, lower-case hexadecimal without colons. */
  readonly fingerprint: string;
  /** The first DNS name: what a client sends as server name. */
  readonly subject: string;
}

/** A host's certificate is valid for ten years from its first boot. */
const VALIDITY_DAYS = 3650;

const cached = new Map<string, Promise<Certificate>>();

/**
 * The certificate of one host. It is made once per process and `serial`, because an RSA-2048 key takes long enough to
 * notice in every test; another serial is another key, which is how a replaced certificate is played.
 */
export function hostCertificate(hostName: string, addresses: readonly string[], serial = 0): Promise<Certificate> {
  const id = [hostName, ...addresses, serial].join(' ');
  const known = cached.get(id) ?? makeCertificate(hostName, addresses);
  cached.set(id, known);
  return known;
}

async function makeCertificate(hostName: string, addresses: readonly string[]): Promise<Certificate> {
  const made = await generate([{ name: 'commonName', value: hostName }], {
    keySize: 2048,
    algorithm: 'sha256',
    notAfterDate: new Date(Date.now() + VALIDITY_DAYS * 86_400_000),
    extensions: [
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: hostName },
          { type: 2, value: 'localhost' },
          ...addresses.map((ip) => ({ type: 7 as const, ip })),
        ],
      },
    ],
  });
  const fingerprint = new X509Certificate(made.cert).fingerprint256.replaceAll(':', '').toLowerCase();
  return { keyPem: made.private, certificatePem: made.cert, fingerprint, subject: hostName };
}

/** The only curve of a real host. */
export const HOST_CURVE = 'secp384r1';

/** TLS 1.2 and one curve only: a client that does not offer them gets no connection at all. */
export function tlsPolicy(certificate: Certificate, ecdhCurve: string) {
  return {
    key: certificate.keyPem,
    cert: certificate.certificatePem,
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.2',
    ciphers: 'ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256',
    ecdhCurve,
    honorCipherOrder: true,
  } as const satisfies TlsOptions;
}
