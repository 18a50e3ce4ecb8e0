/** The ledger of a disk as the store holds it: its head, its entries, and the one way to add an entry. */

import { encodeDocument, parseDocument } from '#lib/format/document.ts';
import { DamagedObject } from '#lib/format/failures.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { type LedgerEntry, ledgerEntry } from '#lib/format/ledger.ts';
import { sha256Of } from '#lib/format/manifest.ts';
import { ObjectNotFound } from '#lib/store/failures.ts';
import type { ObjectStore, PutOptions } from '#lib/store/object-store.ts';
import type { DiskId, Sha256 } from '#lib/units.ts';

/** An entry with the digest that the next entry has to name. */
export interface StoredEntry {
  readonly entry: LedgerEntry;
  readonly sha256: Sha256;
}

/**
 * How far back the chain is followed to open a ledger: three years of daily points in 64 round trips. Verification
 * follows all of it.
 */
const LINKS_ON_OPEN = 1024;
const FETCHES_AT_ONCE = 16;

/** The newest entry of the disk's ledger; undefined for a disk without points. Throws DamagedObject for a broken chain. */
export async function readHead(store: ObjectStore, disk: DiskId): Promise<StoredEntry | undefined> {
  return (await readChain(store, disk, LINKS_ON_OPEN)).at(-1);
}

/** Every entry in order; throws DamagedObject when one is missing or does not follow from the one before. */
export function readLedger(store: ObjectStore, disk: DiskId): Promise<StoredEntry[]> {
  return readChain(store, disk, Number.POSITIVE_INFINITY);
}

/**
 * One entry. The entries that follow it up to the head have to agree, link by link, that it is the right one; those before
 * it have no say, so that what happened to an older point keeps nobody from restoring this one.
 */
export async function readEntry(
  store: ObjectStore,
  { disk, seq }: { disk: DiskId; seq: number },
): Promise<StoredEntry> {
  const found = await readEntryAt(store, vaultKeys.ledgerEntry(disk, seq), disk);
  let last = found;
  // The newest entry is what most readers want: one look behind it is enough for them.
  for (let ahead = 1; last.entry.seq - seq < LINKS_ON_OPEN; ahead = FETCHES_AT_ONCE) {
    const following = await Promise.all(
      Array.from({ length: ahead }, (_, i) => entryIfThere(store, { disk, seq: last.entry.seq + 1 + i })),
    );
    const end = following.indexOf(undefined);
    const links = following.filter((entry) => entry !== undefined);
    if (end !== -1 && links.length > end) {
      throw new DamagedObject(
        `the ledger of disk ${disk} has entries after ${last.entry.seq + 1 + end}, which is gone`,
      );
    }
    for (const entry of links) {
      checkLink(last, entry);
      last = entry;
    }
    if (end !== -1) return found;
  }
  return found;
}

async function entryIfThere(
  store: ObjectStore,
  { disk, seq }: { disk: DiskId; seq: number },
): Promise<StoredEntry | undefined> {
  try {
    return await readEntryAt(store, vaultKeys.ledgerEntry(disk, seq), disk);
  } catch (failure) {
    if (failure instanceof ObjectNotFound) return undefined;
    throw failure;
  }
}

async function readChain(store: ObjectStore, disk: DiskId, links: number): Promise<StoredEntry[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(vaultKeys.ledgerEntries(disk))) {
    if (key !== vaultKeys.ledgerEntry(disk, keys.length + 1)) {
      throw new DamagedObject(`the ledger of disk ${disk} has ${key} where its entry ${keys.length + 1} should follow`);
    }
    keys.push(key);
  }
  const newest = keys.slice(Math.max(0, keys.length - links));
  const entries: StoredEntry[] = [];
  for (let i = 0; i < newest.length; i += FETCHES_AT_ONCE) {
    const fetched = newest.slice(i, i + FETCHES_AT_ONCE).map((key) => readEntryAt(store, key, disk));
    entries.push(...(await Promise.all(fetched)));
  }
  for (const [i, entry] of entries.entries()) checkLink(entries[i - 1], entry);
  return entries;
}

/** `previous` is unknown where the reading of the chain begins. */
function checkLink(previous: StoredEntry | undefined, { entry }: StoredEntry): void {
  const broken =
    previous === undefined ? isFirst(entry) === (entry.seq !== 1) : entry.previousSha256 !== previous.sha256;
  if (broken) {
    throw new DamagedObject(
      `entry ${entry.seq} of the ledger of disk ${entry.disk} does not follow from the one before`,
    );
  }
}

const isFirst = (entry: LedgerEntry) => entry.previousSha256 === undefined;

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
  options: PutOptions = {},
): Promise<'committed' | 'already-committed' | 'lost-race'> {
  const key = vaultKeys.ledgerEntry(entry.disk, entry.seq);
  const sealed = { ...options, encryption: 'store-key' } as const;
  if ((await store.putIfAbsent(key, encodeDocument(entry), sealed)) === 'created') return 'committed';
  const winner = await readEntryAt(store, key, entry.disk);
  return winner.entry.run === entry.run ? 'already-committed' : 'lost-race';
}
