/**
 * The content of a disk at one point, read from the vault: any range in any order, every grain checked against its
 * digest. It is what every kind of restore reads from. Work grows with the data of a range; holes cost nothing.
 */

import type { Failure } from '#lib/failure.ts';
import { DamagedObject } from '#lib/format/failures.ts';
import type { GrainRun } from '#lib/format/grain-bitmap.ts';
import { grainDigest } from '#lib/format/grain-content.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { LedgerEntry } from '#lib/format/ledger.ts';
import type { PackEntry } from '#lib/format/manifest.ts';
import type { SectionExtents } from '#lib/format/section.ts';
import { ObjectNotFound } from '#lib/store/failures.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import {
  type Bytes,
  type DiskId,
  GRAIN_BYTES,
  type GrainIndex,
  grainOffsetBytes,
  grainRunBytes,
  grainsCovering,
  SECTION_GRAINS,
} from '#lib/units.ts';
import { isDamage } from './damage.ts';
import {
  type FrameRead,
  firstExtentBehind,
  type GrainPlace,
  groupFrames,
  placesByPack,
  runsOf,
  type WantedFrame,
  wantedFrames,
} from './frame-reads.ts';
import { readEntry } from './ledger.ts';
import { type ManifestReader, openManifestOf } from './manifest-reader.ts';
import { PackIndexes } from './pack-indexes.ts';
import { bufferOf, type FrameUnpacker, type StoredFrame, type UnpackedFrame, unpackHere } from './unpack-frames.ts';

/** Sections kept decoded: a sequential reader needs one or two at a time, at most 4 MiB each. */
const KEPT_SECTIONS = 4;

/** Receives the data of a range; not in order, each grain once, as data or as damage; holes are not delivered. */
export interface ContentReceiver {
  /** `data` is the receiver's to keep. */
  write(offsetBytes: Bytes, data: Buffer): void | Promise<void>;
  /** Throw here to stop reading at the first damage. */
  damaged(run: GrainRun, failure: Failure): void;
}

/** Grains of which the vault cannot even say where their data is. */
export interface LostRead {
  readonly kind: 'lost';
  /** The pack whose index is lost; undefined where the map is. */
  readonly entry: PackEntry | undefined;
  readonly runs: readonly GrainRun[];
  readonly failure: Failure;
}

export class DiskContent {
  /** The ledger entry of the point: together with the disk it says exactly which bytes these are. */
  readonly entry: LedgerEntry;
  readonly disk: DiskId;
  readonly diskBytes: Bytes;
  /** Bytes of the disk that hold data, by the manifest's own count. */
  readonly dataBytes: Bytes;
  /** Keys of pack indexes that were lost or damaged and were rebuilt from their packs: nothing is missing, but look. */
  readonly rebuiltIndexes = new Set<string>();
  readonly #store: ObjectStore;
  readonly #unpacker: FrameUnpacker;
  readonly #manifest: ManifestReader;
  readonly #indexes: PackIndexes;
  readonly #sections = new Map<number, Promise<SectionExtents>>();

  private constructor({ store, entry, unpacker }: ContentParts, manifest: ManifestReader) {
    this.#store = store;
    this.#unpacker = unpacker;
    this.#manifest = manifest;
    this.entry = entry;
    this.disk = manifest.header.disk;
    this.diskBytes = manifest.header.diskBytes;
    this.dataBytes = Math.min(
      this.diskBytes,
      manifest.header.packs.reduce((sum, { live }) => sum + grainOffsetBytes(live), 0),
    );
    this.#indexes = new PackIndexes(store, this.disk, (key) => this.rebuiltIndexes.add(key));
  }

  static async open(
    store: ObjectStore,
    at: { disk: DiskId; seq: number },
    unpacker: FrameUnpacker = unpackHere,
  ): Promise<DiskContent> {
    const { entry } = await readEntry(store, at);
    return new DiskContent({ store, entry, unpacker }, await openManifestOf(store, entry));
  }

  /**
   * The runs of grains within a range that hold data; everything between them reads as zeros. A damaged section counts
   * as data, since nothing that is unknown may pass for zeros.
   */
  async dataRuns(range: GrainRun): Promise<GrainRun[]> {
    const runs: { first: number; end: number }[] = [];
    const add = (first: number, end: number) => {
      const last = runs.at(-1);
      if (last?.end === first) last.end = end;
      else runs.push({ first, end });
    };
    for (const part of this.#bySection(range)) {
      const extents = await undamaged(this.#section(part.section));
      if (extents.kind === 'damaged') {
        add(part.first, part.end);
        continue;
      }
      const { firsts, lengths } = extents.value;
      const base = part.section * SECTION_GRAINS;
      for (let i = firstExtentBehind(extents.value, part.first - base); i < firsts.length; i++) {
        const first = base + (firsts[i] ?? 0);
        if (first >= part.end) break;
        add(Math.max(first, part.first), Math.min(first + (lengths[i] ?? 0), part.end));
      }
    }
    return runs;
  }

  /** What has to be fetched for a range, one GET each, pack by pack within each section of the disk. */
  async *reads(range: GrainRun): AsyncGenerator<FrameRead | LostRead, undefined> {
    for (const part of this.#bySection(range)) {
      const extents = await undamaged(this.#section(part.section));
      if (extents.kind === 'damaged') {
        const runs = [{ first: part.first, end: part.end }];
        yield { kind: 'lost', entry: undefined, runs, failure: extents.failure };
        continue;
      }
      for (const [no, places] of placesByPack(extents.value, part)) yield* this.#packReads(no, places);
    }
  }

  /** Fetches one of `reads` and delivers what it holds. Only what is not damage throws: an unreachable vault, say. */
  async deliver(read: FrameRead | LostRead, receiver: ContentReceiver): Promise<void> {
    if (read.kind === 'lost') {
      for (const run of read.runs) receiver.damaged(run, read.failure);
      return;
    }
    const first = read.frames[0]?.place;
    const last = read.frames.at(-1)?.place;
    if (first === undefined || last === undefined) return;
    const key = vaultKeys.pack(this.disk, read.entry);
    const range = { start: first.offsetBytes, end: last.offsetBytes + last.storedBytes };
    const fetched = await undamaged(this.#store.get(key, { range }));
    if (fetched.kind === 'damaged') {
      await this.#deliverSingly(read, receiver, fetched.failure);
      return;
    }
    const stored = read.frames.map((frame) => storedFrame(read, frame, { startBytes: first.offsetBytes, key }));
    const unpacked = await this.#unpacker.unpack(fetched.value, stored);
    for (const [i, frame] of read.frames.entries()) await this.#hand(frame, unpacked[i], receiver);
  }

  /** Delivers a range; throws the first damage rather than deliver a wrong byte. */
  async read(range: GrainRun, write: ContentReceiver['write']): Promise<void> {
    const damaged = (_run: GrainRun, failure: Failure) => {
      throw failure;
    };
    for await (const read of this.reads(range)) await this.deliver(read, { write, damaged });
  }

  /** Whether `data` is what the vault holds at these grains, by digest: no object is read. */
  holds(read: FrameRead, place: GrainPlace, data: Buffer): boolean {
    for (let i = 0; i < place.count; i++) {
      const grain = data.subarray(i * GRAIN_BYTES, (i + 1) * GRAIN_BYTES);
      if (!grainDigest(grain).equals(read.index.digestOf(place.slot + i))) return false;
    }
    return true;
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

  #section(section: number): Promise<SectionExtents> {
    const known = this.#sections.get(section);
    if (known !== undefined) return known;
    const loading = this.#manifest.extents(section);
    loading.catch(() => this.#sections.delete(section));
    this.#sections.set(section, loading);
    for (const oldest of this.#sections.keys()) {
      if (this.#sections.size <= KEPT_SECTIONS) break;
      this.#sections.delete(oldest);
    }
    return loading;
  }

  async *#packReads(no: number, places: readonly GrainPlace[]): AsyncGenerator<FrameRead | LostRead, undefined> {
    const planned = await undamaged(this.#planPack(no, places));
    if (planned.kind === 'whole') yield* planned.value;
    else {
      const entry = this.#manifest.header.packs.find((pack) => pack.no === no);
      yield { kind: 'lost', entry, runs: runsOf(places), failure: planned.failure };
    }
  }

  async #planPack(no: number, places: readonly GrainPlace[]): Promise<FrameRead[]> {
    const entry: PackEntry = this.#manifest.pack(no);
    const index = await this.#indexes.get(entry);
    return groupFrames(wantedFrames(index, places)).map((frames) => ({ kind: 'frames', entry, index, frames }));
  }

  /** A pack that is cut short still gives the frames in front of the cut; one that is gone gives none. */
  async #deliverSingly(read: FrameRead, receiver: ContentReceiver, failure: Failure): Promise<void> {
    if (read.frames.length === 1 || failure instanceof ObjectNotFound) {
      for (const run of runsOf(read.frames.flatMap(({ grains }) => grains))) receiver.damaged(run, failure);
      return;
    }
    for (const frame of read.frames) await this.deliver({ ...read, frames: [frame] }, receiver);
  }

  /** Intact neighbours go in one piece. */
  async #hand(
    { place, grains }: WantedFrame,
    unpacked: UnpackedFrame | undefined,
    receiver: ContentReceiver,
  ): Promise<void> {
    if (unpacked?.kind !== 'content') {
      const failure = new DamagedObject(unpacked?.message ?? `frame ${place.frame} was not unpacked`);
      for (const run of runsOf(grains)) receiver.damaged(run, failure);
      return;
    }
    const content = bufferOf(unpacked.content);
    for (const { first, count, slot } of grains) {
      const position = slot - place.firstSlot;
      let done = 0;
      for (let i = 0; i <= count; i++) {
        const isDamaged = unpacked.damaged.includes(position + i);
        if (i < count && !isDamaged) continue;
        const data = content.subarray((position + done) * GRAIN_BYTES, (position + i) * GRAIN_BYTES);
        if (i > done) await this.#emit({ first: first + done, count: i - done, slot: slot + done }, data, receiver);
        if (i < count) receiver.damaged({ first: first + i, end: first + i + 1 }, wrongDigest(first + i, place.frame));
        done = i + 1;
      }
    }
  }

  async #emit({ first, count }: GrainPlace, data: Buffer, receiver: ContentReceiver): Promise<void> {
    // A disk that shrank may end within a grain that was stored whole.
    const bytes = grainRunBytes({ first, count }, this.diskBytes);
    await receiver.write(grainOffsetBytes(first), data.subarray(0, bytes));
  }
}

interface ContentParts {
  readonly store: ObjectStore;
  readonly entry: LedgerEntry;
  readonly unpacker: FrameUnpacker;
}

function wrongDigest(grain: GrainIndex, frame: number): DamagedObject {
  return new DamagedObject(`grain ${grain} in frame ${frame} of its pack has another digest than the index says`);
}

/** A wanted frame within the bytes that were fetched from `startBytes` of its pack on. */
function storedFrame(
  { index }: FrameRead,
  { place, grains }: WantedFrame,
  { startBytes, key }: { startBytes: Bytes; key: string },
): StoredFrame {
  const start = place.offsetBytes - startBytes;
  return {
    start,
    end: start + place.storedBytes,
    grains: place.grains,
    where: `frame ${place.frame} of pack ${key}`,
    digests: Buffer.concat(Array.from({ length: place.grains }, (_, i) => index.digestOf(place.firstSlot + i))),
    wanted: grains.flatMap(({ slot, count }) => Array.from({ length: count }, (_, i) => slot - place.firstSlot + i)),
  };
}

type Undamaged<T> =
  | { readonly kind: 'whole'; readonly value: T }
  | { readonly kind: 'damaged'; readonly failure: Failure };

async function undamaged<T>(work: Promise<T>): Promise<Undamaged<T>> {
  try {
    return { kind: 'whole', value: await work };
  } catch (failure) {
    if (!isDamage(failure)) throw failure;
    return { kind: 'damaged', failure };
  }
}
