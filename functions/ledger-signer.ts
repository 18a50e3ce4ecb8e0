/** The key with which a function's environment says that heads of ledgers are signed. */

import { readFileSync } from 'node:fs';
import { Secret } from '#lib/secret.ts';
import { SigningRefused } from '#lib/signing/failures.ts';
import { kmsSigner } from '#lib/signing/kms-signer.ts';
import { pemSigner } from '#lib/signing/pem-signer.ts';
import type { Signer } from '#lib/signing/signer.ts';

interface SigningEnvironment {
  readonly SIGNING_KEY: string;
  readonly SIGNING_KEY_FILE?: string | undefined;
}

/** Undefined where nothing is signed. Throws SigningRefused when the file of the key is none. */
export function ledgerSigner({ SIGNING_KEY: arn, SIGNING_KEY_FILE: path }: SigningEnvironment): Signer | undefined {
  if (path !== undefined) return pemSigner(pemIn(path));
  return arn === 'none' ? undefined : kmsSigner(arn);
}

function pemIn(path: string): Secret {
  try {
    return new Secret(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new SigningRefused(`the signing key ${path} cannot be read; check the path and who may read it`, { cause });
  }
}
