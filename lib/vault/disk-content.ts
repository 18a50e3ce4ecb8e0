/**
 * The content of a disk at one point, read from the vault: any range in any order, every grain checked against its
 * digest. It is what every kind of restore reads from.
 */

import { DamagedObject } from '#lib/format/failures.ts';
import { decodeFrame } from '#lib/format/frame.ts';
import type { GrainRun } from '#lib/format/grain-bitmap.ts';
import { grainDigest } from '#lib/format/grain-content.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { PackEntry } from '#lib/format/manifest.ts';
import type { FramePlace, PackIndex } from '#lib/format/pack-index.ts';
import { NO_PACK, type SectionMap } from '#lib/format/section.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import {
  type Bytes,
  type DiskId,
  GRAIN_BYTES,
  type GrainIndex,
  grainOffsetBytes,
  grainsCovering,
  MIB,
  SECTION_GRAINS,
  WINDOW_GRAINS,
} from '#lib/units.ts';
import { readEntry } from './ledger.ts';
import { ManifestReader } from './manifest-reader.ts';
import { PackIndexes } from './pack-indexes.ts';

/** Two wanted frames this close are fetched with what lies between: a GET costs about as much as 1 MiB of transfer. */
const GAP_BYTES = MIB;
/** Largest single GET, so that a dense range does not arrive as one huge buffer. */
const FETCH_BYTES = 16 * MIB;
/** Sections kept decoded: a sequential reader needs one or two at a time, 2 MiB each. */
const KEPT_SECTIONS = 4;

/** Receives grains of a range; not in order, each once; holes are not delivered. `bytes` is the receiver's to keep. */
export type GrainReceiver = (offsetBytes: Bytes, bytes: Buffer) => void | Promise<void>;

export class DiskContent {
  readonly disk: DiskId;
  readonly diskBytes: Bytes;
  readonly #store: ObjectStore;
  readonly #manifest: ManifestReader;
  readonly #indexes: PackIndexes;
  readonly #sections = new Map<number, Promise<SectionMap>>();

  private constructor(store: ObjectStore, manifest: ManifestReader) {
    this.#store = store;
    this.#manifest = manifest;
    this.disk = manifest.header.disk;
    this.diskBytes = manifest.header.diskBytes;
    this.#indexes = new PackIndexes(store, this.disk);
  }

  static async open(store: ObjectStore, at: { disk: DiskId; seq: number }): Promise<DiskContent> {
    const { entry } = await readEntry(store, at);
    return new DiskContent(store, await ManifestReader.open(store, entry.manifest));
  }

  /** The runs of grains within a range that hold data; everything between them reads as zeros. */
  async dataRuns(range: GrainRun): Promise<GrainRun[]> {
    const runs: { first: GrainIndex; end: GrainIndex }[] = [];
    for (const part of this.#bySection(range)) {
      const map = await this.#section(part.section);
      for (let grain = part.first; grain < part.end; grain++) {
        if ((map.packs[grain % SECTION_GRAINS] ?? NO_PACK) === NO_PACK) continue;
        const last = runs.at(-1);
        if (last?.end === grain) last.end = grain + 1;
        else runs.push({ first: grain, end: grain + 1 });
      }
    }
    return runs;
  }

  /** Delivers the data of a range; throws DamagedObject rather than deliver a wrong byte. */
  async read(range: GrainRun, receive: GrainReceiver): Promise<void> {
    for (const part of this.#bySection(range)) {
      const map = await this.#section(part.section);
      for (const [no, wanted] of await this.#wantedFrames(map, part)) {
        const entry = this.#manifest.pack(no);
        const index = await this.#indexes.get(entry);
        for (const group of groupFrames(wanted)) await this.#fetch({ entry, index, map, range: part }, group, receive);
      }
    }
  }

  *#bySection(range: GrainRun): Generator<GrainRun & { readonly section: number }> {
    const end = Math.min(range.end, grainsCovering(this.diskBytes));
    for (let first = range.first; first < end; ) {
      const section = Math.floor(first / SECTION_GRAINS);
      const cut = Math.min(end, (section + 1) * SECTION_GRAINS);
      yield { section, first, end: cut };
      first = cut;
    }
  }

  #section(section: number): Promise<SectionMap> {
    const known = this.#sections.get(section);
    if (known !== undefined) return known;
    const loading = this.#manifest.section(section);
    loading.catch(() => this.#sections.delete(section));
    this.#sections.set(section, loading);
    for (const oldest of this.#sections.keys()) {
      if (this.#sections.size <= KEPT_SECTIONS) break;
      this.#sections.delete(oldest);
    }
    return loading;
  }

  /** For each pack that the range needs, its frames in order. */
  async #wantedFrames(map: SectionMap, range: GrainRun): Promise<Map<number, FramePlace[]>> {
    const wanted = new Map<number, FramePlace[]>();
    for (let grain = range.first; grain < range.end; grain++) {
      const no = map.packs[grain % SECTION_GRAINS] ?? NO_PACK;
      if (no === NO_PACK) continue;
      const slot = map.slots[grain % SECTION_GRAINS] ?? 0;
      const frames = wanted.get(no) ?? [];
      const last = frames.at(-1);
      if (last !== undefined && slot >= last.firstSlot && slot < last.firstSlot + last.grains) continue;
      frames.push((await this.#indexes.get(this.#manifest.pack(no))).frameOfSlot(slot));
      wanted.set(no, frames);
    }
    for (const frames of wanted.values()) frames.sort((a, b) => a.frame - b.frame);
    return wanted;
  }

  async #fetch(source: FrameSource, frames: readonly FramePlace[], receive: GrainReceiver): Promise<void> {
    const [first] = frames;
    const last = frames.at(-1);
    if (first === undefined || last === undefined) return;
    const key = vaultKeys.pack(this.disk, source.entry);
    const range = { start: first.offsetBytes, end: last.offsetBytes + last.storedBytes };
    const bytes = await this.#store.get(key, { range });
    for (const frame of frames) {
      const at = frame.offsetBytes - first.offsetBytes;
      await this.#deliver(source, { frame, stored: bytes.subarray(at, at + frame.storedBytes), key }, receive);
    }
  }

  /** Hands on those grains of a frame that the map takes from it, neighbours in one piece. */
  async #deliver(
    { entry, index, map, range }: FrameSource,
    { frame, stored, key }: { frame: FramePlace; stored: Buffer; key: string },
    receive: GrainReceiver,
  ): Promise<void> {
    const grains = grainsOfFrame(frame);
    const where = `frame ${frame.frame} of pack ${key}`;
    const content = decodeFrame(stored, { grains: grains.length, where });
    let piece: { first: GrainIndex; start: number; end: number } | undefined;
    for (const [position, grain] of grains.entries()) {
      const at = grain % SECTION_GRAINS;
      const slot = frame.firstSlot + position;
      const used = grain >= range.first && grain < range.end && map.packs[at] === entry.no && map.slots[at] === slot;
      if (!used) continue;
      const start = position * GRAIN_BYTES;
      const end = Math.min(start + GRAIN_BYTES, content.length);
      if (!grainDigest(content.subarray(start, end)).equals(index.digestOf(slot))) {
        throw new DamagedObject(`grain ${grain} in ${where} has another digest than its index says`);
      }
      const follows =
        piece !== undefined && piece.end === start && grain === piece.first + (start - piece.start) / GRAIN_BYTES;
      if (piece !== undefined && follows) piece.end = end;
      else {
        if (piece !== undefined) await this.#emit(content, piece, receive);
        piece = { first: grain, start, end };
      }
    }
    if (piece !== undefined) await this.#emit(content, piece, receive);
  }

  async #emit(
    content: Buffer,
    piece: { first: GrainIndex; start: number; end: number },
    receive: GrainReceiver,
  ): Promise<void> {
    const offset = grainOffsetBytes(piece.first);
    // A disk that shrank may end within a grain that was stored whole.
    const end = Math.min(piece.end, piece.start + this.diskBytes - offset);
    await receive(offset, content.subarray(piece.start, end));
  }
}

interface FrameSource {
  readonly entry: PackEntry;
  readonly index: PackIndex;
  readonly map: SectionMap;
  readonly range: GrainRun;
}

function grainsOfFrame(frame: FramePlace): GrainIndex[] {
  const grains: GrainIndex[] = [];
  for (let bit = 0; bit < WINDOW_GRAINS; bit++) {
    if ((frame.mask >> bit) & 1) grains.push(frame.window * WINDOW_GRAINS + bit);
  }
  return grains;
}

/** Groups frames that lie close together in their pack, so that one GET brings them all. */
function groupFrames(frames: readonly FramePlace[]): FramePlace[][] {
  const groups: FramePlace[][] = [];
  for (const frame of frames) {
    const group = groups.at(-1);
    const first = group?.[0];
    const last = group?.at(-1);
    const near =
      first !== undefined &&
      last !== undefined &&
      frame.offsetBytes - (last.offsetBytes + last.storedBytes) <= GAP_BYTES &&
      frame.offsetBytes + frame.storedBytes - first.offsetBytes <= FETCH_BYTES;
    if (near) group?.push(frame);
    else groups.push([frame]);
  }
  return groups;
}
