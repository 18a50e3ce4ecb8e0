/** Pack indexes on demand, checked against the manifest's pack table, with a bound on the bytes kept. */

import { DamagedObject } from '#lib/format/failures.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { type PackEntry, sha256Of } from '#lib/format/manifest.ts';
import { PackIndex } from '#lib/format/pack-index.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { type DiskId, MIB, type PackId } from '#lib/units.ts';

/** The index of a full 4 GiB pack is 1.2 MiB; 32 MiB keep those of some 30 packs, more than one window of disk uses. */
const KEPT_BYTES = 32 * MIB;

export class PackIndexes {
  readonly #store: ObjectStore;
  readonly #disk: DiskId;
  /** In order of last use, oldest first. */
  readonly #kept = new Map<PackId, { index: Promise<PackIndex>; bytes: number }>();
  #keptBytes = 0;

  constructor(store: ObjectStore, disk: DiskId) {
    this.#store = store;
    this.#disk = disk;
  }

  get(entry: PackEntry): Promise<PackIndex> {
    const known = this.#kept.get(entry.pack);
    if (known !== undefined) {
      this.#kept.delete(entry.pack);
      this.#kept.set(entry.pack, known);
      return known.index;
    }
    const index = this.#load(entry);
    index.catch(() => this.#forget(entry.pack));
    this.#kept.set(entry.pack, { index, bytes: entry.indexBytes });
    this.#keptBytes += entry.indexBytes;
    for (const oldest of this.#kept.keys()) {
      if (this.#keptBytes <= KEPT_BYTES || oldest === entry.pack) break;
      this.#forget(oldest);
    }
    return index;
  }

  #forget(pack: PackId): void {
    this.#keptBytes -= this.#kept.get(pack)?.bytes ?? 0;
    this.#kept.delete(pack);
  }

  async #load(entry: PackEntry): Promise<PackIndex> {
    const key = vaultKeys.packIndex(this.#disk, entry);
    const bytes = await this.#store.get(key);
    if (sha256Of(bytes) !== entry.indexSha256) {
      throw new DamagedObject(`pack index ${key} is damaged; it can be rebuilt from its pack`);
    }
    return new PackIndex(bytes, key);
  }
}
