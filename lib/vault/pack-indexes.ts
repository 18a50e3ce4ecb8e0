/** Pack indexes on demand, checked against the manifest's pack table, with a bound on the bytes kept. */

import { DamagedObject } from '#lib/format/failures.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { type PackEntry, sha256Of } from '#lib/format/manifest.ts';
import { indexFromPack } from '#lib/format/pack.ts';
import { PackIndex } from '#lib/format/pack-index.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { type DiskId, MIB, type PackId } from '#lib/units.ts';
import { isDamage } from './damage.ts';

/** The index of a full 4 GiB pack is 1.2 MiB; 32 MiB keep those of some 30 packs, more than one window of disk uses. */
const KEPT_BYTES = 32 * MIB;
/** Behind the index a pack has its seek table: 8 bytes a frame, less than the 9 that the index spends on one. */
const TAIL_BYTES_PER_INDEX_BYTE = 2;
/** Heads of the two skippable frames, the seek table's entry for the index, and its footer: 8 + 8 + 8 + 9. */
const TAIL_EXTRA_BYTES = 33;

export class PackIndexes {
  readonly #store: ObjectStore;
  readonly #disk: DiskId;
  readonly #onRebuilt: ((key: string) => void) | undefined;
  /** In order of last use, oldest first. */
  readonly #kept = new Map<PackId, { index: Promise<PackIndex>; bytes: number }>();
  #keptBytes = 0;

  /**
   * With `onRebuilt`, which is told its key, a lost or damaged index is rebuilt from its pack; without it that is a failure:
   * backup, prune and the audit never read packs.
   */
  constructor(store: ObjectStore, disk: DiskId, onRebuilt?: (key: string) => void) {
    this.#store = store;
    this.#disk = disk;
    this.#onRebuilt = onRebuilt;
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
    try {
      const bytes = await this.#store.get(key);
      if (sha256Of(bytes) === entry.indexSha256) return new PackIndex(bytes, key);
      throw new DamagedObject(`pack index ${key} is damaged; it can be rebuilt from its pack`);
    } catch (failure) {
      if (!isDamage(failure) || this.#onRebuilt === undefined) throw failure;
      const rebuilt = await this.#fromPack(entry);
      // The first failure says what to look after; what ails the pack too is found when its frames are read.
      if (rebuilt === undefined) throw failure;
      this.#onRebuilt(key);
      return rebuilt;
    }
  }

  /** Undefined where the pack's tail cannot give the bytes that the manifest's digest demands. */
  async #fromPack(entry: PackEntry): Promise<PackIndex | undefined> {
    const key = vaultKeys.pack(this.#disk, entry);
    const tailBytes = TAIL_BYTES_PER_INDEX_BYTE * entry.indexBytes + TAIL_EXTRA_BYTES;
    const range = { start: Math.max(0, entry.bytes - tailBytes), end: entry.bytes };
    try {
      const index = indexFromPack(await this.#store.get(key, { range }), key);
      return sha256Of(index.toBytes()) === entry.indexSha256 ? index : undefined;
    } catch (failure) {
      if (isDamage(failure)) return undefined;
      throw failure;
    }
  }
}
