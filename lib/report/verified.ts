/** How well and how lately the disks of a VM were verified, told by the names of the records alone. */

import { vaultKeys } from '#lib/format/keys.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { DiskId } from '#lib/units.ts';
import type { Verified } from './fleet.ts';

const RECORD = /\/(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-(\d)\.json$/;

/** The oldest of the newest records of each disk; undefined when a disk has none. */
export async function readVerified(store: ObjectStore, disks: readonly DiskId[]): Promise<Verified | undefined> {
  const newest = await Promise.all(disks.map((disk) => newestRecord(store, disk)));
  const known = newest.filter((record) => record !== undefined);
  if (known.length < disks.length) return undefined;
  return known.toSorted((a, b) => a.time.getTime() - b.time.getTime())[0];
}

async function newestRecord(store: ObjectStore, disk: DiskId): Promise<Verified | undefined> {
  let newest: Verified | undefined;
  for await (const { key } of store.list(vaultKeys.verifications(disk))) {
    const [, year, month, day, hour, minute, second, level] = RECORD.exec(key) ?? [];
    if (level === undefined) continue;
    newest = { level: Number(level), time: new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`) };
  }
  return newest;
}
