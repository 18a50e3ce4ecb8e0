/** How closely a point of a disk was looked at since its commit, by the stored records. */

import { parseDocument } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { type Verification, verification } from '#lib/format/verification.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { DiskId } from '#lib/units.ts';

/** A daily verification of a month with a deep one each week; older records say little about today. */
const NEWEST_RECORDS = 40;

/** The closest look, of several the newest; undefined for a point that only its commit checked. */
export async function closestVerification(
  store: ObjectStore,
  { disk, seq }: { readonly disk: DiskId; readonly seq: number },
): Promise<Verification | undefined> {
  const keys: string[] = [];
  for await (const { key } of store.list(vaultKeys.verifications(disk))) keys.push(key);
  let closest: Verification | undefined;
  for (const key of keys.slice(-NEWEST_RECORDS)) {
    const record = parseDocument(verification, await store.get(key), key);
    if (record.scope.points.includes(seq) && record.level >= (closest?.level ?? 0)) closest = record;
  }
  return closest;
}
