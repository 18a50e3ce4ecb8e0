/** How closely a point of a disk was looked at since its commit, by the stored records. */

import { parseDocument } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { type Verification, verification } from '#lib/format/verification.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { DiskId } from '#lib/units.ts';

/** A daily verification of a month with a deep one each week; older records say little about today. */
const NEWEST_RECORDS = 40;
/** Records are fetched this many at a time. */
const FETCHES_AT_ONCE = 16;

/** The newest verification records of a disk, oldest first. */
export async function newestVerifications(store: ObjectStore, disk: DiskId): Promise<Verification[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(vaultKeys.verifications(disk))) keys.push(key);
  const newest = keys.slice(-NEWEST_RECORDS);
  const records: Verification[] = [];
  for (let i = 0; i < newest.length; i += FETCHES_AT_ONCE) {
    const fetched = newest
      .slice(i, i + FETCHES_AT_ONCE)
      .map(async (key) => parseDocument(verification, await store.get(key), key));
    records.push(...(await Promise.all(fetched)));
  }
  return records;
}

/** The closest look at a point, of several the newest; undefined for a point that only its commit checked. */
export function closestVerification(records: readonly Verification[], seq: number): Verification | undefined {
  let closest: Verification | undefined;
  for (const record of records) {
    if (record.scope.points.includes(seq) && record.level >= (closest?.level ?? 0)) closest = record;
  }
  return closest;
}
