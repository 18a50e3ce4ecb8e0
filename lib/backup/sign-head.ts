/** Signs the ledger entry that a run has committed. */

import { encodeDocument, HEAD } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { type Signature, signedMessage } from '#lib/format/signature.ts';
import type { Signer } from '#lib/signing/signer.ts';
import type { ObjectStore, PutOptions } from '#lib/store/object-store.ts';
import type { DiskId } from '#lib/units.ts';
import { readEntry } from '#lib/vault/ledger.ts';

interface SigningPorts {
  readonly store: ObjectStore;
  /** Left out where the installation signs nothing. */
  readonly signer?: Signer;
  readonly signal?: AbortSignal;
}

/**
 * What is signed is read back, so that the signature speaks for what the vault holds. An entry that is signed already is
 * left alone; one that a crash left unsigned is covered by the signature of the next.
 */
export async function signHead(
  { store, signer, signal }: SigningPorts,
  place: { readonly disk: DiskId; readonly seq: number },
  options: PutOptions,
): Promise<void> {
  const { disk, seq } = place;
  const key = vaultKeys.signature(disk, seq);
  if (signer === undefined || (await store.head(key)) !== undefined) return;
  const { sha256: entrySha256 } = await readEntry(store, place);
  const head = { disk, seq, entrySha256 };
  const signed = await signer.sign(signedMessage(head), { ...(signal && { signal }) });
  const document: Signature = {
    ...HEAD,
    requires: [],
    ...head,
    key: signed.key,
    algorithm: 'ECDSA_SHA_256',
    signature: signed.signature.toString('base64'),
  };
  await store.putIfAbsent(key, encodeDocument(document), options);
}
