/** Host certificates: self-signed RSA-2048 leaves and the TLS policy shared by the API and the NBD server. */

import { createPublicKey, X509Certificate } from 'node:crypto';
import type { TlsOptions } from 'node:tls';
import { generate, type SelfsignedOptions } from 'selfsigned';

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
const COMMON = {
  keySize: 2048,
  algorithm: 'sha256',
  notAfterDate: new Date(Date.now() + VALIDITY_DAYS * 86_400_000),
} as const;

/**
 * What the NBD server shows. `replaced`: the certificate before the last, with another key, as after a change without a
 * restart of the daemon. `renewed`: another certificate with the same key. `issued`: one that an authority signed, and
 * the API names the authority.
 */
export type NbdCertificateState = 'current' | 'replaced' | 'renewed' | 'issued';

interface NbdCertificate {
  readonly shown: Certificate;
  /** What VDI.get_nbd_info returns. */
  readonly namedPem: string;
}

const cached = new Map<string, Promise<Certificate>>();

/** The certificates of one host, each made once per process: an RSA-2048 key takes long enough to notice in every test. */
export class HostCertificates {
  readonly current: Certificate;
  readonly #hostName: string;
  readonly #addresses: readonly string[];

  private constructor(current: Certificate, hostName: string, addresses: readonly string[]) {
    this.current = current;
    this.#hostName = hostName;
    this.#addresses = addresses;
  }

  static async make(hostName: string, addresses: readonly string[]): Promise<HostCertificates> {
    const id = [hostName, ...addresses].join(' ');
    return new HostCertificates(await once(id, () => makeLeaf(hostName, addresses)), hostName, addresses);
  }

  /** Other certificates than the current one are made when they are first asked for. */
  async nbd(state: NbdCertificateState): Promise<NbdCertificate> {
    const namedPem = this.current.certificatePem;
    const leaf = (signing: Signing) => () => makeLeaf(this.#hostName, this.#addresses, signing);
    const id = [state, this.#hostName, ...this.#addresses].join(' ');
    switch (state) {
      case 'current':
        return { shown: this.current, namedPem };
      case 'replaced':
        return { shown: await once(id, leaf({})), namedPem };
      case 'renewed':
        return { shown: await once(id, leaf({ keyPair: keyPairOf(this.current) })), namedPem };
      case 'issued': {
        const { keyPem: key, certificatePem: cert } = await once('authority', makeAuthority);
        return { shown: await once(id, leaf({ ca: { key, cert } })), namedPem: cert };
      }
    }
  }
}

function once(id: string, make: () => Promise<Certificate>): Promise<Certificate> {
  const known = cached.get(id) ?? make();
  cached.set(id, known);
  return known;
}

type Signing = Pick<SelfsignedOptions, 'ca' | 'keyPair'>;

async function makeLeaf(hostName: string, addresses: readonly string[], signing: Signing = {}): Promise<Certificate> {
  const altNames = [
    { type: 2 as const, value: hostName },
    { type: 2 as const, value: 'localhost' },
    ...addresses.map((ip) => ({ type: 7 as const, ip })),
  ];
  const made = await generate([{ name: 'commonName', value: hostName }], {
    ...COMMON,
    ...signing,
    extensions: [{ name: 'subjectAltName', altNames }],
  });
  return certificateOf(made, hostName);
}

async function makeAuthority(): Promise<Certificate> {
  const subject = 'Simulated authority';
  const made = await generate([{ name: 'commonName', value: subject }], {
    ...COMMON,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, digitalSignature: true, critical: true },
    ],
  });
  return certificateOf(made, subject);
}

function certificateOf(made: { readonly private: string; readonly cert: string }, subject: string): Certificate {
  const fingerprint = new X509Certificate(made.cert).fingerprint256.replaceAll(':', '').toLowerCase();
  return { keyPem: made.private, certificatePem: made.cert, fingerprint, subject };
}

function keyPairOf({ keyPem }: Certificate): { privateKey: string; publicKey: string } {
  const publicKey = createPublicKey(keyPem).export({ type: 'spki', format: 'pem' });
  return { privateKey: keyPem, publicKey: publicKey.toString() };
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
