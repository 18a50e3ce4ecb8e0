/** Certificates made for one test. */

import { generate } from 'selfsigned';

export interface TestCertificate {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  readonly publicKeyPem: string;
}

interface Issue {
  readonly subject: string;
  /** Signs the certificate; without it the certificate signs itself. */
  readonly issuer?: TestCertificate;
  /** Takes over the key of this certificate, as a host does that renews its own. */
  readonly keyOf?: TestCertificate;
}

/** A server's certificate, like the one a XenServer host makes for itself at installation. */
export async function issueCertificate(issue: Issue): Promise<TestCertificate> {
  return make(issue, { isAuthority: false });
}

export async function issueAuthority(subject: string): Promise<TestCertificate> {
  return make({ subject }, { isAuthority: true });
}

async function make({ subject, issuer, keyOf }: Issue, kind: { isAuthority: boolean }): Promise<TestCertificate> {
  const made = await generate([{ name: 'commonName', value: subject }], {
    algorithm: 'sha256',
    keySize: 2048,
    // qemu-nbd refuses a server certificate that says CA:TRUE, and GnuTLS an authority that does not.
    extensions: [
      { name: 'basicConstraints', cA: kind.isAuthority, critical: true },
      kind.isAuthority
        ? { name: 'keyUsage', keyCertSign: true, digitalSignature: true, critical: true }
        : { name: 'keyUsage', digitalSignature: true, keyEncipherment: true },
      { name: 'subjectAltName', altNames: [{ type: 2, value: subject }] },
    ],
    ...(issuer === undefined ? {} : { ca: { cert: issuer.certificatePem, key: issuer.privateKeyPem } }),
    ...(keyOf === undefined ? {} : { keyPair: { privateKey: keyOf.privateKeyPem, publicKey: keyOf.publicKeyPem } }),
  });
  return { certificatePem: made.cert, privateKeyPem: made.private, publicKeyPem: made.public };
}
