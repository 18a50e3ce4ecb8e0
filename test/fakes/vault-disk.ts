/** Points of one disk written straight into a store, for tests whose disk is too large or too many for a simulated host. */

import { randomBytes, randomUUID } from 'node:crypto';
import { HEAD } from '#lib/format/document.ts';
import { encodeFrame } from '#lib/format/frame.ts';
import { grainDigest } from '#lib/format/grain-content.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { encodeManifest, type PackEntry, sectionDirectory, sectionsOf, sha256Of } from '#lib/format/manifest.ts';
import { encodePackTail, type PackedFrame } from '#lib/format/pack.ts';
import { emptySection, encodeSection } from '#lib/format/section.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { parseDiskId, parsePackId, parseRunId, parseVmId, SECTION_GRAINS, WINDOW_GRAINS } from '#lib/units.ts';
import { appendEntry, readHead } from '#lib/vault/ledger.ts';

/** Content of grains by index. `null` makes a grain a hole again. */
export type GrainChanges = ReadonlyMap<number, Buffer | null>;

export class VaultDisk {
  readonly disk = parseDiskId(randomUUID());
  readonly diskBytes: number;
  readonly #store: ObjectStore;
  readonly #packs: PackEntry[] = [];
  /** Where each grain of the newest point is. */
  readonly #map = new Map<number, { pack: number; slot: number }>();
  #seq = 0;

  constructor(store: ObjectStore, diskBytes: number) {
    this.#store = store;
    this.diskBytes = diskBytes;
  }

  /** Adds a point that differs from the one before by `changes`; answers with its number. */
  async addPoint(changes: GrainChanges): Promise<number> {
    const run = parseRunId(randomBytes(8).toString('hex'));
    const seq = ++this.#seq;
    const data = [...changes].filter((change): change is [number, Buffer] => change[1] !== null);
    for (const [grain, content] of changes) if (content === null) this.#map.delete(grain);
    if (data.length > 0)
      await this.#writePack(
        run,
        data.sort(([a], [b]) => a - b),
      );
    const live = new Map<number, number>();
    for (const { pack } of this.#map.values()) live.set(pack, (live.get(pack) ?? 0) + 1);
    const sections = this.#sections();
    const time = new Date(Date.UTC(2026, 0, 1, seq));
    const header = {
      ...HEAD,
      requires: [],
      disk: this.disk,
      diskBytes: this.diskBytes,
      seq,
      run,
      time,
      source: { snapshot: this.disk, snapshotTime: time, vm: parseVmId(randomUUID()), changedBlocks: true },
      packs: this.#packs.map((pack) => ({ ...pack, live: live.get(pack.no) ?? 0 })),
      sections: sectionDirectory(sections),
    };
    const pieces = encodeManifest(header, sections);
    const key = vaultKeys.manifest(this.disk, { seq, run });
    await this.#store.put(key, Buffer.concat(pieces));
    const headerSha256 = sha256Of(Buffer.concat(pieces.slice(0, 2)));
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    const head = await readHead(this.#store, this.disk);
    await appendEntry(this.#store, {
      ...HEAD,
      requires: [],
      disk: this.disk,
      seq,
      run,
      time,
      manifest: { key, bytes, headerSha256 },
      ...(head === undefined ? {} : { previousSha256: head.sha256 }),
    });
    return seq;
  }

  async #writePack(run: PackEntry['run'], data: readonly [number, Buffer][]): Promise<void> {
    const pack = parsePackId(randomBytes(16).toString('hex'));
    const no = this.#packs.length + 1;
    const frames: PackedFrame[] = [];
    const bodies: Buffer[] = [];
    const byWindow = Map.groupBy(data, ([grain]) => Math.floor(grain / WINDOW_GRAINS));
    let slot = 0;
    for (const [window, grains] of byWindow) {
      const content = Buffer.concat(grains.map(([, bytes]) => bytes));
      const stored = encodeFrame(content);
      bodies.push(stored);
      frames.push({
        window,
        mask: grains.reduce((mask, [grain]) => mask | (1 << (grain % WINDOW_GRAINS)), 0),
        storedBytes: stored.length,
        contentBytes: content.length,
        digests: grains.map(([, bytes]) => grainDigest(bytes)),
      });
      for (const [grain] of grains) this.#map.set(grain, { pack: no, slot: slot++ });
    }
    const { index, tail } = encodePackTail(pack, frames);
    const body = Buffer.concat([...bodies, tail]);
    await this.#store.put(vaultKeys.pack(this.disk, { run, pack }), body);
    await this.#store.put(vaultKeys.packIndex(this.disk, { run, pack }), index);
    const indexFacts = { indexBytes: index.length, indexSha256: sha256Of(index) };
    const counts = { frames: frames.length, grains: slot, live: slot };
    this.#packs.push({ no, run, pack, bytes: body.length, crc32: 0, ...counts, ...indexFacts });
  }

  #sections(): Buffer[] {
    const bySection = Map.groupBy(this.#map, ([grain]) => Math.floor(grain / SECTION_GRAINS));
    return Array.from({ length: sectionsOf(this.diskBytes) }, (_, section) => {
      const grains = bySection.get(section);
      if (grains === undefined) return Buffer.alloc(0);
      const map = emptySection();
      for (const [grain, { pack, slot }] of grains) {
        map.packs[grain % SECTION_GRAINS] = pack;
        map.slots[grain % SECTION_GRAINS] = slot;
      }
      return encodeSection(map);
    });
  }
}
