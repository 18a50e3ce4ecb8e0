/** The expiries of a disk as the store holds them, and the one way to let a point go. */

import { encodeDocument, HEAD, parseDocument } from '#lib/format/document.ts';
import { type Expiry, expiry } from '#lib/format/expiry.ts';
import { DamagedObject } from '#lib/format/failures.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { DiskId } from '#lib/units.ts';
import { readLedger, type StoredEntry } from './ledger.ts';

const FETCHES_AT_ONCE = 16;

/** Every expiry of the disk, by number; `checkExpiries` tells whether they fit the ledger. */
export async function readExpiries(store: ObjectStore, disk: DiskId): Promise<Map<number, Expiry>> {
  const keys: string[] = [];
  for await (const { key } of store.list(vaultKeys.expiries(disk))) keys.push(key);
  const found = new Map<number, Expiry>();
  for (let i = 0; i < keys.length; i += FETCHES_AT_ONCE) {
    const fetched = keys.slice(i, i + FETCHES_AT_ONCE).map((key) => readExpiryAt(store, key));
    for (const document of await Promise.all(fetched)) found.set(document.seq, document);
  }
  return found;
}

async function readExpiryAt(store: ObjectStore, key: string): Promise<Expiry> {
  const document = parseDocument(expiry, await store.get(key), key);
  if (vaultKeys.expiry(document.disk, document.seq) === key) return document;
  throw new DamagedObject(`${key} is the expiry of entry ${document.seq} of disk ${document.disk}: it was moved`);
}

/** Throws DamagedObject for an expiry that fits no entry, or the newest: nothing may be taken away on its word. */
export function checkExpiries(expiries: ReadonlyMap<number, Expiry>, entries: readonly StoredEntry[]): void {
  for (const { disk, seq, entrySha256 } of expiries.values()) {
    if (entries[seq - 1]?.sha256 === entrySha256 && seq < entries.length) continue;
    const key = vaultKeys.expiry(disk, seq);
    throw new DamagedObject(`${key} lets go entry ${seq} of disk ${disk}, which is not an older entry of that ledger`);
  }
}

/**
 * Lets one point of a disk go, never the newest: what a run has begun to build on must stay. The ledger is read anew,
 * because it is the authority; it only grows, so an entry that is not the newest now never becomes it again.
 */
export async function letGo(
  store: ObjectStore,
  { disk, seq, time, because }: Pick<Expiry, 'disk' | 'seq' | 'time' | 'because'>,
): Promise<'let-go' | 'already-let-go' | 'is-newest'> {
  const entries = await readLedger(store, disk);
  const stored = entries[seq - 1];
  if (stored === undefined) throw new DamagedObject(`the ledger of disk ${disk} has no entry ${seq} to let go`);
  if (seq === entries.length) return 'is-newest';
  const document: Expiry = {
    ...HEAD,
    requires: [],
    disk,
    seq,
    run: stored.entry.run,
    entrySha256: stored.sha256,
    time,
    because,
  };
  const key = vaultKeys.expiry(disk, seq);
  const outcome = await store.putIfAbsent(key, encodeDocument(document), { encryption: 'store-key' });
  return outcome === 'created' ? 'let-go' : 'already-let-go';
}
