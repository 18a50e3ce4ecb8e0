/**
 * A section of a manifest maps 16 GiB of disk: for each grain the pack and slot that hold it, or pack 0 for zeros. It is
 * coded as extents, runs of grains with one pack and consecutive slots, in four columns of varints:
 *
 * ```
 * count | count x length in grains | count x pack number | one zigzag slot difference for each extent with pack > 0
 * ```
 *
 * The slot difference is against the slot that would follow the pack's previous extent in this section (0 at first).
 * Extents are maximal, and zero runs at the end of the section are left out, so equal maps have equal bytes.
 */

import { type GrainCount, SECTION_GRAINS } from '#lib/units.ts';
import { DamagedObject } from './failures.ts';
import { decodeSectionBody, encodeSectionBody } from './frame.ts';
import { VarintReader, VarintWriter } from './varint.ts';

/** Marks a grain that reads as zeros. */
export const NO_PACK = 0;

/** The map of one section with a place for every grain; grain 0 is the section's first. */
export interface SectionMap {
  readonly packs: Uint32Array;
  readonly slots: Uint32Array;
}

export function emptySection(): SectionMap {
  return { packs: new Uint32Array(SECTION_GRAINS), slots: new Uint32Array(SECTION_GRAINS) };
}

/** Calls `visit` for each maximal extent, zeros included, in order. */
function forEachExtent(map: SectionMap, visit: (extent: { length: number; pack: number; slot: number }) => void): void {
  const { packs, slots } = map;
  let first = 0;
  while (first < SECTION_GRAINS) {
    const pack = packs[first] ?? NO_PACK;
    const slot = slots[first] ?? 0;
    let end = first + 1;
    if (pack === NO_PACK) while (end < SECTION_GRAINS && packs[end] === NO_PACK) end++;
    else while (end < SECTION_GRAINS && packs[end] === pack && slots[end] === slot + (end - first)) end++;
    visit({ length: end - first, pack, slot });
    first = end;
  }
}

/** Columns being written. Used again for every section: 16 TiB have 1,024, and their garbage took 200 MiB. */
const COLUMNS = [new VarintWriter(), new VarintWriter(), new VarintWriter(), new VarintWriter()] as const;

/** The stored bytes of a section; empty when all of it is zeros. */
export function encodeSection(map: SectionMap): Buffer {
  const [head, lengths, packs, slots] = COLUMNS;
  for (const column of COLUMNS) column.clear();
  const nextSlot = new Map<number, number>();
  let count = 0;
  let pendingZeros = 0;
  const emit = (length: number, pack: number) => {
    lengths.unsigned(length);
    packs.unsigned(pack);
    count++;
  };
  forEachExtent(map, ({ length, pack, slot }) => {
    if (pack === NO_PACK) {
      pendingZeros = length;
      return;
    }
    if (pendingZeros > 0) emit(pendingZeros, NO_PACK);
    pendingZeros = 0;
    emit(length, pack);
    slots.signed(slot - (nextSlot.get(pack) ?? 0));
    nextSlot.set(pack, slot + length);
  });
  if (count === 0) return Buffer.alloc(0);
  head.unsigned(count);
  return encodeSectionBody(Buffer.concat([head.view(), lengths.view(), packs.view(), slots.view()]));
}

/**
 * The extents of a section that hold data, in order; between them all is zeros. Extent i is the grains from `firsts[i]`
 * (0 is the section's first), `lengths[i]` of them, in consecutive slots of pack `packs[i]` from `slots[i]`.
 */
export interface SectionExtents {
  readonly firsts: Uint32Array;
  readonly lengths: Uint32Array;
  readonly packs: Uint32Array;
  readonly slots: Uint32Array;
}

const NO_EXTENTS: SectionExtents = {
  firsts: new Uint32Array(),
  lengths: new Uint32Array(),
  packs: new Uint32Array(),
  slots: new Uint32Array(),
};

/** The extents from stored bytes: work and memory grow with the extents, not with the disk. */
export function decodeExtents(stored: Buffer, where: string): SectionExtents {
  if (stored.length === 0) return NO_EXTENTS;
  const firsts: number[] = [];
  const lengths: number[] = [];
  const packs: number[] = [];
  const slots: number[] = [];
  readExtents(stored, where, ({ first, length, pack, slot }) => {
    firsts.push(first);
    lengths.push(length);
    packs.push(pack);
    slots.push(slot);
  });
  return {
    firsts: Uint32Array.from(firsts),
    lengths: Uint32Array.from(lengths),
    packs: Uint32Array.from(packs),
    slots: Uint32Array.from(slots),
  };
}

/** Fills a map from stored bytes; `into` lets a builder reuse one map for all sections. */
export function decodeSection(stored: Buffer, where: string, into = emptySection()): SectionMap {
  into.packs.fill(NO_PACK);
  into.slots.fill(0);
  if (stored.length === 0) return into;
  readExtents(stored, where, ({ first, length, pack, slot }) => {
    for (let k = 0; k < length; k++) into.slots[first + k] = slot + k;
    into.packs.fill(pack, first, first + length);
  });
  return into;
}

interface PlacedExtent {
  readonly first: number;
  readonly length: number;
  readonly pack: number;
  readonly slot: number;
}

/** First two columns of the section being read; used again for every section, as above. */
const LENGTHS_READ = new Uint32Array(SECTION_GRAINS);
const PACKS_READ = new Uint32Array(SECTION_GRAINS);

/** Calls `visit` for each extent that is not zeros, in order; throws DamagedObject for what no writer writes. */
function readExtents(stored: Buffer, where: string, visit: (extent: PlacedExtent) => void): void {
  const reader = new VarintReader(decodeSectionBody(stored, where), where);
  const count = reader.unsigned();
  if (count > SECTION_GRAINS) throw new DamagedObject(`${where}: ${count} extents in ${SECTION_GRAINS} grains`);
  for (let i = 0; i < count; i++) LENGTHS_READ[i] = reader.unsigned();
  for (let i = 0; i < count; i++) PACKS_READ[i] = reader.unsigned();
  const nextSlot = new Map<number, number>();
  let grain: GrainCount = 0;
  for (let i = 0; i < count; i++) {
    const length = LENGTHS_READ[i] ?? 0;
    const pack = PACKS_READ[i] ?? NO_PACK;
    if (length === 0 || grain + length > SECTION_GRAINS) throw new DamagedObject(`${where}: extent ${i} does not fit`);
    if (pack !== NO_PACK) {
      const slot = (nextSlot.get(pack) ?? 0) + reader.signed();
      if (slot < 0) throw new DamagedObject(`${where}: extent ${i} has slot ${slot}`);
      visit({ first: grain, length, pack, slot });
      nextSlot.set(pack, slot + length);
    }
    grain += length;
  }
  if (!reader.atEnd) throw new DamagedObject(`${where}: bytes behind the last extent`);
}
