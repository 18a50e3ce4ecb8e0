/** What the points of a disk need: the packs, pack indexes and manifests that nothing may take away. */

import type { Expiry } from '#lib/format/expiry.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { ManifestHeader } from '#lib/format/manifest.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { DiskId } from '#lib/units.ts';
import { checkExpiries, readExpiries } from './expiries.ts';
import { readLedger, type StoredEntry } from './ledger.ts';
import { ManifestReader } from './manifest-reader.ts';
import { GRACE_MS } from './time-limits.ts';

export interface DiskHistory {
  readonly disk: DiskId;
  readonly entries: readonly StoredEntry[];
  readonly expiries: ReadonlyMap<number, Expiry>;
}

/**
 * Ledger and expiries of a disk, checked against each other. Expiries are read first: a run that commits in between then
 * makes the ledger longer than they know, which harms nobody. The other way round an entry that was the newest a moment
 * ago would seem to have been let go.
 */
export async function readHistory(store: ObjectStore, disk: DiskId): Promise<DiskHistory> {
  const expiries = await readExpiries(store, disk);
  const entries = await readLedger(store, disk);
  checkExpiries(expiries, entries);
  return { disk, entries, expiries };
}

/** Entries that stand: neither let go, nor let go so recently that somebody may still be reading them. */
export function standingEntries({ entries, expiries }: DiskHistory, now: Date): StoredEntry[] {
  return entries.filter(({ entry }) => {
    const expired = expiries.get(entry.seq);
    return expired === undefined || now.getTime() - expired.time.getTime() < GRACE_MS;
  });
}

/** Headers of the manifests of entries. Throws when any cannot be read or is not the one the ledger names. */
export async function readHeaders(store: ObjectStore, entries: readonly StoredEntry[]): Promise<ManifestHeader[]> {
  const headers: ManifestHeader[] = [];
  // One at a time: a header of a large disk takes megabytes, and nothing waits for this.
  for (const { entry } of entries) headers.push((await ManifestReader.open(store, entry.manifest)).header);
  return headers;
}

/** Keys of everything below packs/, indexes/ and manifests/ that standing points of the disk consist of. */
export async function liveKeys(store: ObjectStore, history: DiskHistory, now: Date): Promise<Set<string>> {
  const standing = standingEntries(history, now);
  const keys = new Set(standing.map(({ entry }) => entry.manifest.key));
  for (const header of await readHeaders(store, standing)) {
    for (const pack of header.packs) {
      keys.add(vaultKeys.pack(header.disk, pack));
      keys.add(vaultKeys.packIndex(header.disk, pack));
    }
  }
  return keys;
}
