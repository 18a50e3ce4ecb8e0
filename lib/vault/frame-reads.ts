/** Which frames of which pack hold the grains of a range, and which of them one GET brings together. */

import { DamagedObject } from '#lib/format/failures.ts';
import type { GrainRun } from '#lib/format/grain-bitmap.ts';
import type { PackEntry } from '#lib/format/manifest.ts';
import type { FramePlace, PackIndex } from '#lib/format/pack-index.ts';
import type { SectionExtents } from '#lib/format/section.ts';
import { type GrainCount, type GrainIndex, MIB, SECTION_GRAINS, WINDOW_GRAINS } from '#lib/units.ts';

/** Two wanted frames this close are fetched with what lies between: a GET costs about as much as 1 MiB of transfer. */
const GAP_BYTES = MIB;
/** Largest single GET, so that a dense range arrives in pieces that many workers share. */
const FETCH_BYTES = 8 * MIB;
/** Frames of one GET, 8 MiB of content: what compresses well must not unpack to gigabytes at once. */
const FETCH_FRAMES = 32;

/** Consecutive grains in consecutive slots of one pack. */
export interface GrainPlace {
  readonly first: GrainIndex;
  readonly count: GrainCount;
  readonly slot: number;
}

/** A frame with those of its grains that the disk takes from it. */
export interface WantedFrame {
  readonly place: FramePlace;
  readonly grains: readonly GrainPlace[];
}

/** What one GET brings: frames that lie close together in one pack. */
export interface FrameRead {
  readonly kind: 'frames';
  readonly entry: PackEntry;
  readonly index: PackIndex;
  readonly frames: readonly WantedFrame[];
}

/** The data of a section within `range` (grains of the disk), by pack number, clipped to the range and in disk order. */
export function placesByPack(
  extents: SectionExtents,
  range: GrainRun & { readonly section: number },
): Map<number, GrainPlace[]> {
  const byPack = new Map<number, GrainPlace[]>();
  const base = range.section * SECTION_GRAINS;
  for (let i = firstExtentBehind(extents, range.first - base); i < extents.firsts.length; i++) {
    const extentFirst = base + (extents.firsts[i] ?? 0);
    if (extentFirst >= range.end) break;
    const first = Math.max(extentFirst, range.first);
    const end = Math.min(extentFirst + (extents.lengths[i] ?? 0), range.end);
    const pack = extents.packs[i] ?? 0;
    const places = byPack.get(pack) ?? [];
    places.push({ first, count: end - first, slot: (extents.slots[i] ?? 0) + (first - extentFirst) });
    byPack.set(pack, places);
  }
  return byPack;
}

/** Index of the first extent that ends behind `grain`, by bisection. */
export function firstExtentBehind({ firsts, lengths }: SectionExtents, grain: number): number {
  let low = 0;
  let high = firsts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((firsts[middle] ?? 0) + (lengths[middle] ?? 0) <= grain) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The frames of one pack that hold `places`, each once, in the order of the pack. */
export function wantedFrames(index: PackIndex, places: readonly GrainPlace[]): WantedFrame[] {
  const frames = new Map<number, { place: FramePlace; grains: GrainPlace[] }>();
  for (const place of places) {
    const end = place.slot + place.count;
    for (let slot = place.slot; slot < end; ) {
      const frame = index.frameOfSlot(slot);
      const frameEnd = Math.min(end, frame.firstSlot + frame.grains);
      const part = { first: place.first + (slot - place.slot), count: frameEnd - slot, slot };
      const window = Math.floor(part.first / WINDOW_GRAINS);
      if (window !== frame.window) {
        throw new DamagedObject(`pack ${index.pack} keeps window ${frame.window} where the manifest says ${window}`);
      }
      const wanted = frames.get(frame.frame);
      if (wanted === undefined) frames.set(frame.frame, { place: frame, grains: [part] });
      else wanted.grains.push(part);
      slot = frameEnd;
    }
  }
  return [...frames.values()].sort((a, b) => a.place.frame - b.place.frame);
}

/** Cuts frames in pack order into groups that one GET each brings. */
export function groupFrames(frames: readonly WantedFrame[]): WantedFrame[][] {
  const groups: WantedFrame[][] = [];
  for (const frame of frames) {
    const group = groups.at(-1) ?? [];
    const first = group[0]?.place;
    const last = group.at(-1)?.place;
    const { offsetBytes, storedBytes } = frame.place;
    const near =
      first !== undefined &&
      group.length < FETCH_FRAMES &&
      last !== undefined &&
      offsetBytes - (last.offsetBytes + last.storedBytes) <= GAP_BYTES &&
      offsetBytes + storedBytes - first.offsetBytes <= FETCH_BYTES;
    if (near) group.push(frame);
    else groups.push([frame]);
  }
  return groups;
}

export function runsOf(places: Iterable<GrainPlace>): GrainRun[] {
  return Array.from(places, ({ first, count }) => ({ first, end: first + count }));
}
