/** vault.json: what this vault is, written when it is first used. */

import * as z from 'zod/mini';
import { documentHead, encodeDocument, HEAD, parseDocument, timeField } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { ObjectNotFound } from '#lib/store/failures.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';

const vaultDocument = z.object({
  ...documentHead,
  /** Tells this vault's marks on a host from those of another vault. */
  vault: z.string().check(z.regex(/^[0-9a-f]{16}$/)),
  created: timeField,
});

export type VaultDocument = Readonly<z.infer<typeof vaultDocument>>;

export async function readVault(store: ObjectStore): Promise<VaultDocument> {
  const key = vaultKeys.vault();
  return parseDocument(vaultDocument, await store.get(key), key);
}

/** Makes the vault on its first use. Of two runs that both are first, one writes it and both read it. */
export async function openOrCreateVault(
  store: ObjectStore,
  birth: { readonly vault: string; readonly created: Date },
): Promise<VaultDocument> {
  try {
    return await readVault(store);
  } catch (failure) {
    // Every run but the first finds it: a look costs a twelfth of a write that is refused.
    if (!(failure instanceof ObjectNotFound)) throw failure;
  }
  await store.putIfAbsent(vaultKeys.vault(), encodeDocument({ ...HEAD, ...birth }));
  return readVault(store);
}
