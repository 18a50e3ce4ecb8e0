/** A private key in a PEM file, for installations without AWS. */

import { createPrivateKey, createPublicKey, hash, type KeyObject, sign } from 'node:crypto';
import type { Secret } from '#lib/secret.ts';
import { SigningRefused } from './failures.ts';
import type { Signer } from './signer.ts';

const CURVE = 'prime256v1';
const CURE = 'make one with: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256';

/** Throws SigningRefused for what is no unencrypted private key on P-256. The key never leaves this object. */
export function pemSigner(pem: Secret): Signer {
  const key = privateKey(pem);
  if (key.asymmetricKeyDetails?.namedCurve !== CURVE) {
    throw new SigningRefused(`the signing key is of another kind than EC on P-256; ${CURE}`);
  }
  const name = publicKeyName(createPublicKey(key));
  return { sign: (message) => Promise.resolve({ key: name, signature: sign('sha256', message, key) }) };
}

function privateKey(pem: Secret): KeyObject {
  try {
    return createPrivateKey(pem.reveal());
  } catch (cause) {
    throw new SigningRefused(`the signing key is no unencrypted private key in PEM form; ${CURE}`, { cause });
  }
}

/** How signatures name the key of a PEM file. */
export function publicKeyName(key: KeyObject): string {
  return `sha256:${hash('sha256', key.export({ type: 'spki', format: 'der' }), 'hex')}`;
}
