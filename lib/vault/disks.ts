/** Which disks the vault holds anything of. */

import { vaultKeys } from '#lib/format/keys.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { type DiskId, parseDiskId } from '#lib/units.ts';

/** In order of their ids. Costs one LIST for each 1,000 objects below disks/; throws MalformedId for a foreign key. */
export async function listDisks(store: ObjectStore): Promise<DiskId[]> {
  const disks = new Set<DiskId>();
  for await (const { key } of store.list(vaultKeys.disks())) disks.add(parseDiskId(key.split('/')[1] ?? ''));
  return [...disks];
}
