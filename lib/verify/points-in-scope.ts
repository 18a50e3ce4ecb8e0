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
  for (const { entry } of entries) {
    const { seq, manifest: address } = entry;
    if (expiries.has(seq)) continue;
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
  return { disk, head, manifests, packs: [...packs.values()], findings };
}
