/**
 * A signature of a ledger's head, beside the ledger. An entry's digest covers all entries before it, so that one signature
 * speaks for the whole history of a disk up to its entry. Readers need none of it: signatures are an optional feature.
 *
 * What is signed, in UTF-8, each line ended by a newline:
 *
 * ```
 * blockferry ledger head 1
 * <disk>
 * <seq>
 * <SHA-256 of the entry's object>
 * ```
 */

import * as z from 'zod/mini';
import type { DiskId, Sha256 } from '#lib/units.ts';
import { countField, diskIdField, documentHead, sha256Field } from './document.ts';

export const signature = z.object({
  ...documentHead,
  disk: diskIdField,
  seq: countField,
  entrySha256: sha256Field,
  /** The key as its owner names it: the ARN of a KMS key, or `sha256:` and the digest of the public key as DER. */
  key: z.string(),
  /** ECDSA on P-256 over the SHA-256 of the message. */
  algorithm: z.literal('ECDSA_SHA_256'),
  /** DER, in base64. */
  signature: z.string().check(z.regex(/^[A-Za-z0-9+/]+={0,2}$/)),
});

export type Signature = Readonly<z.infer<typeof signature>>;

export interface SignedHead {
  readonly disk: DiskId;
  readonly seq: number;
  readonly entrySha256: Sha256;
}

/** The bytes that a signature is over. */
export function signedMessage({ disk, seq, entrySha256 }: SignedHead): Buffer {
  return Buffer.from(`blockferry ledger head 1\n${disk}\n${seq}\n${entrySha256}\n`);
}
