/** The points of a disk that a verification speaks of, and the packs that they need. */

import type { PackEntry } from '#lib/format/manifest.ts';
import type { Finding } from '#lib/format/verification.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { DiskId, PackId } from '#lib/units.ts';
import type { StoredEntry } from '#lib/vault/ledger.ts';
import { readHistory } from '#lib/vault/live-objects.ts';
import { ManifestReader } from '#lib/vault/manifest-reader.ts';
import { findingOf } from './failures-as-findings.ts';

export interface NeededPack {
  readonly entry: PackEntry;
  readonly points: readonly number[];
}

export interface Scope {
  readonly disk: DiskId;
  readonly head: StoredEntry;
  /** Numbers of the points that were not let go. */
  readonly standing: readonly number[];
  /** Points that were not let go and whose manifest can be opened, oldest first. */
  readonly manifests: readonly { readonly seq: number; readonly manifest: ManifestReader }[];
  readonly packs: readonly NeededPack[];
  readonly findings: readonly Finding[];
}

/** Undefined for a disk without points. Throws DamagedObject when the ledger itself is damaged. */
export async function pointsInScope(store: ObjectStore, disk: DiskId): Promise<Scope | undefined> {
  const { entries, expiries } = await readHistory(store, disk);
  const head = entries.at(-1);
  if (head === undefined) return undefined;
  const manifests: { seq: number; manifest: ManifestReader }[] = [];
  const findings: Finding[] = [];
  const packs = new Map<PackId, { entry: PackEntry; points: number[] }>();
  const standing = entries.filter(({ entry }) => !expiries.has(entry.seq));
  for (const { entry } of standing) {
    const { seq, manifest: address } = entry;
    const what = await findingOf(async () => {
      const manifest = await ManifestReader.open(store, address);
      manifests.push({ seq, manifest });
      for (const pack of manifest.header.packs) {
        const known = packs.get(pack.pack);
        if (known === undefined) packs.set(pack.pack, { entry: pack, points: [seq] });
        else known.points.push(seq);
      }
    });
    if (what !== undefined) findings.push({ key: address.key, what, points: [seq] });
  }
  return {
    disk,
    head,
    standing: standing.map(({ entry }) => entry.seq),
    manifests,
    packs: [...packs.values()],
    findings,
  };
}
