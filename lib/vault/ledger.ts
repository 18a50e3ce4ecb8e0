/** The ledger of a disk as the store holds it: its head, its entries, and the one way to add an entry. */

import { encodeDocument, parseDocument } from '#lib/format/document.ts';
import { DamagedObject } from '#lib/format/failures.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { type LedgerEntry, ledgerEntry } from '#lib/format/ledger.ts';
import { sha256Of } from '#lib/format/manifest.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { DiskId, Sha256 } from '#lib/units.ts';

/** An entry with the digest that the next entry has to name. */
export interface StoredEntry {
  readonly entry: LedgerEntry;
  readonly sha256: Sha256;
}

/** The newest entry of the disk's ledger; undefined for a disk without points. */
export async function readHead(store: ObjectStore, disk: DiskId): Promise<StoredEntry | undefined> {
  let lastKey: string | undefined;
  for await (const object of store.list(vaultKeys.ledgerEntries(disk))) lastKey = object.key;
  return lastKey === undefined ? undefined : readEntryAt(store, lastKey, disk);
}

export function readEntry(store: ObjectStore, { disk, seq }: { disk: DiskId; seq: number }): Promise<StoredEntry> {
  return readEntryAt(store, vaultKeys.ledgerEntry(disk, seq), disk);
}

async function readEntryAt(store: ObjectStore, key: string, disk: DiskId): Promise<StoredEntry> {
  const bytes = await store.get(key);
  const entry = parseDocument(ledgerEntry, bytes, key);
  if (entry.disk !== disk || vaultKeys.ledgerEntry(disk, entry.seq) !== key) {
    throw new DamagedObject(`${key} holds entry ${entry.seq} of disk ${entry.disk}: it was moved or overwritten`);
  }
  return { entry, sha256: sha256Of(bytes) };
}

/**
 * Adds the entry; this one conditional write is the commit. A lost answer is resolved by reading back, so that of all
 * runs which try the same number exactly one wins and each learns the truth.
 */
export async function appendEntry(
  store: ObjectStore,
  entry: LedgerEntry,
): Promise<'committed' | 'already-committed' | 'lost-race'> {
  const key = vaultKeys.ledgerEntry(entry.disk, entry.seq);
  if ((await store.putIfAbsent(key, encodeDocument(entry))) === 'created') return 'committed';
  const winner = await readEntryAt(store, key, entry.disk);
  return winner.entry.run === entry.run ? 'already-committed' : 'lost-race';
}
