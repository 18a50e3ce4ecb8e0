/** Reads a manifest piece by piece: header first, then single sections, each checked against the ledger's digest. */

import { DamagedObject } from '#lib/format/failures.ts';
import type { LedgerEntry, ManifestAddress } from '#lib/format/ledger.ts';
import {
  MANIFEST_FIRST_FETCH_BYTES,
  type ManifestHeader,
  manifestHeaderEnd,
  type PackEntry,
  parseManifestHeader,
  sectionRange,
  sha256Of,
} from '#lib/format/manifest.ts';
import { decodeExtents, decodeSection, type SectionExtents, type SectionMap } from '#lib/format/section.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';

/** The manifest of an entry; one of another point or disk would restore something else under its name. */
export async function openManifestOf(store: ObjectStore, entry: LedgerEntry): Promise<ManifestReader> {
  const reader = await ManifestReader.open(store, entry.manifest);
  const { disk, seq, run } = reader.header;
  if (disk === entry.disk && seq === entry.seq && run === entry.run) return reader;
  throw new DamagedObject(
    `entry ${entry.seq} of disk ${entry.disk} names ${reader.key}, the manifest of another point`,
  );
}

export class ManifestReader {
  readonly key: string;
  readonly header: ManifestHeader;
  readonly #store: ObjectStore;
  readonly #headerEnd: number;
  readonly #packs: ReadonlyMap<number, PackEntry>;

  private constructor(store: ObjectStore, address: ManifestAddress, start: Buffer) {
    this.#store = store;
    this.key = address.key;
    this.header = parseManifestHeader(start, address.key);
    this.#headerEnd = start.length;
    this.#packs = new Map(this.header.packs.map((pack) => [pack.no, pack]));
  }

  static async open(store: ObjectStore, address: ManifestAddress): Promise<ManifestReader> {
    const { key } = address;
    const first = await store.get(key, {
      range: { start: 0, end: Math.min(MANIFEST_FIRST_FETCH_BYTES, address.bytes) },
    });
    const end = manifestHeaderEnd(first, key);
    const rest =
      end > first.length && end <= address.bytes
        ? await store.get(key, { range: { start: first.length, end } })
        : Buffer.alloc(0);
    const start = Buffer.concat([first, rest]).subarray(0, end);
    if (sha256Of(start) !== address.headerSha256) {
      throw new DamagedObject(`manifest ${key} is not the one that the ledger names: its header has another digest`);
    }
    return new ManifestReader(store, address, start);
  }

  pack(no: number): PackEntry {
    const entry = this.#packs.get(no);
    if (entry === undefined)
      throw new DamagedObject(`manifest ${this.key} refers to pack number ${no}, which it lacks`);
    return entry;
  }

  /** The stored bytes of a section, checked. */
  async sectionBytes(section: number): Promise<Buffer> {
    const entry = this.header.sections[section];
    if (entry === undefined) throw new DamagedObject(`manifest ${this.key} has no section ${section}`);
    if (entry.bytes === 0) return Buffer.alloc(0);
    const stored = await this.#store.get(this.key, { range: sectionRange(this.#headerEnd, entry) });
    if (sha256Of(stored) !== entry.sha256) throw new DamagedObject(`section ${section} of ${this.key} is damaged`);
    return stored;
  }

  async section(section: number, into?: SectionMap): Promise<SectionMap> {
    return decodeSection(await this.sectionBytes(section), `section ${section} of ${this.key}`, into);
  }

  /** The extents of a section that hold data: what to ask for where holes must cost nothing. */
  async extents(section: number): Promise<SectionExtents> {
    return decodeExtents(await this.sectionBytes(section), `section ${section} of ${this.key}`);
  }
}
