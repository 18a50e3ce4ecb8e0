/** What the base says a grain held: its digest, so that content that did not change is not stored again. */

import type { GrainRun } from '#lib/format/grain-bitmap.ts';
import type { ManifestAddress } from '#lib/format/ledger.ts';
import type { PackIndex } from '#lib/format/pack-index.ts';
import { emptySection, NO_PACK, type SectionMap } from '#lib/format/section.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { type GrainIndex, type PackId, SECTION_GRAINS } from '#lib/units.ts';
import { ManifestReader } from '#lib/vault/manifest-reader.ts';
import { PackIndexes } from '#lib/vault/pack-indexes.ts';

export class BaseContent {
  readonly #manifest: ManifestReader;
  readonly #indexes: PackIndexes;
  readonly #rewrite: ReadonlySet<PackId>;
  readonly #map: SectionMap = emptySection();
  #section = -1;
  /** Indexes of the packs that the prepared run touches, by pack number. */
  #loaded = new Map<number, PackIndex>();

  private constructor(manifest: ManifestReader, indexes: PackIndexes, rewrite: ReadonlySet<PackId>) {
    this.#manifest = manifest;
    this.#indexes = indexes;
    this.#rewrite = rewrite;
  }

  /** Of packs to `rewrite` nothing is known here, so that whatever they hold is stored again. */
  static async open(
    store: ObjectStore,
    address: ManifestAddress,
    rewrite: ReadonlySet<PackId> = new Set(),
  ): Promise<BaseContent> {
    const manifest = await ManifestReader.open(store, address);
    return new BaseContent(manifest, new PackIndexes(store, manifest.header.disk), rewrite);
  }

  /** Loads what `digestOf` needs for the grains of a run that lies within one section. */
  async prepare(run: GrainRun): Promise<void> {
    const section = Math.floor(run.first / SECTION_GRAINS);
    if (section !== this.#section) {
      // A disk that grew has sections that its base does not know; they read as zeros.
      if (section < this.#manifest.header.sections.length) await this.#manifest.section(section, this.#map);
      else this.#map.packs.fill(NO_PACK);
      this.#section = section;
      this.#loaded = new Map();
    }
    for (let grain = run.first; grain < run.end; grain++) {
      const no = this.#map.packs[grain % SECTION_GRAINS] ?? NO_PACK;
      if (no === NO_PACK || this.#loaded.has(no)) continue;
      const entry = this.#manifest.pack(no);
      if (!this.#rewrite.has(entry.pack)) this.#loaded.set(no, await this.#indexes.get(entry));
    }
  }

  /** Digest of the grain's content in the base; undefined when it is zeros there. */
  digestOf(grain: GrainIndex): Buffer | undefined {
    const at = grain % SECTION_GRAINS;
    return this.#loaded.get(this.#map.packs[at] ?? NO_PACK)?.digestOf(this.#map.slots[at] ?? 0);
  }
}
