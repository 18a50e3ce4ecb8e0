/**
 * Inventories as the upkeep kept them in the vault. Apart from those who take them, because the function that writes the
 * report reaches no host: the client for hosts would be a seventh of it.
 */

import { parseDocument } from '#lib/format/document.ts';
import { type PoolInventory, poolInventory } from '#lib/format/inventory.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';

/** Of all pools that were ever asked, by name. */
export async function readInventories(store: ObjectStore): Promise<PoolInventory[]> {
  const found: PoolInventory[] = [];
  for await (const { key } of store.list(vaultKeys.inventories())) {
    found.push(parseDocument(poolInventory, await store.get(key), key));
  }
  return found;
}
