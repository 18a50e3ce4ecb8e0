/**
 * Builds the manifest of a new point: the base's map with the outcomes of the run laid over it, section by section, so
 * that memory holds one decoded section whatever the size of the disk. Equal inputs give equal bytes.
 */

import assert from 'node:assert/strict';
import { HEAD } from '#lib/format/document.ts';
import type { GrainBitmap, GrainRun } from '#lib/format/grain-bitmap.ts';
import { type ManifestHeader, type PackEntry, sectionDirectory, sectionsOf } from '#lib/format/manifest.ts';
import type { DiskPlan, RunPlan } from '#lib/format/plan.ts';
import { PASSES, type Pass, type PlannedGrains } from '#lib/format/planned-grains.ts';
import { OUTCOME_DATA, OUTCOME_ZERO, Outcomes, type Receipt } from '#lib/format/receipt.ts';
import { emptySection, encodeSection, NO_PACK, type SectionMap } from '#lib/format/section.ts';
import { type GrainIndex, grainsCovering, SECTION_GRAINS } from '#lib/units.ts';
import type { ManifestReader } from '#lib/vault/manifest-reader.ts';
import { receiptsOf } from './coverage.ts';

export interface ManifestInput {
  readonly plan: RunPlan;
  readonly disk: DiskPlan;
  readonly planned: PlannedGrains;
  /** Receipts of this disk, of each pass in disk order, checked for coverage. */
  readonly receipts: readonly Receipt[];
  readonly base: ManifestReader | undefined;
}

export interface BuiltManifest {
  readonly header: ManifestHeader;
  readonly sections: readonly Buffer[];
}

export async function buildManifest(input: ManifestInput): Promise<BuiltManifest> {
  const { disk, base, planned } = input;
  const packs = new PackTable(base?.header.packs ?? []);
  const passes = PASSES.map((pass) => new PassCursor(pass, input, packs));
  const map = emptySection();
  const sections: Buffer[] = [];
  const shrunk = base !== undefined && base.header.diskBytes > disk.diskBytes;
  if (base !== undefined && shrunk) await forgetCutOff({ base, disk, packs, map });
  for (let number = 0; number < sectionsOf(disk.diskBytes); number++) {
    const range = { first: number * SECTION_GRAINS, end: Math.min((number + 1) * SECTION_GRAINS, planned.grains) };
    const known = base !== undefined && number < base.header.sections.length;
    const cut = shrunk && number === sectionsOf(disk.diskBytes) - 1;
    const replaced = known && disk.kind === 'full';
    if (planned.countIn(range) === 0 && !cut && !replaced) {
      sections.push(known ? await base.sectionBytes(number) : Buffer.alloc(0));
      continue;
    }
    if (known) await base.section(number, map);
    else map.packs.fill(NO_PACK);
    if (cut) map.packs.fill(NO_PACK, range.end - range.first);
    if (replaced) forgetUnplanned(map, { range, planned: planned.changed, packs });
    for (const pass of passes) pass.applyTo(map, range);
    sections.push(encodeSection(map));
  }
  return { header: headerOf(input, packs.live(), sections), sections };
}

function headerOf({ plan, disk, base }: ManifestInput, packs: PackEntry[], sections: Buffer[]): ManifestHeader {
  return {
    ...HEAD,
    requires: [],
    disk: disk.disk,
    diskBytes: disk.diskBytes,
    seq: (disk.base?.seq ?? 0) + 1,
    run: plan.run,
    time: disk.snapshotTime,
    ...(disk.base !== undefined && base !== undefined
      ? { base: { seq: disk.base.seq, headerSha256: disk.base.manifest.headerSha256 } }
      : {}),
    source: {
      snapshot: disk.snapshot,
      snapshotTime: disk.snapshotTime,
      vm: plan.vm,
      changedBlocks: disk.changedBlocks,
    },
    packs,
    sections: sectionDirectory(sections),
  };
}

/** A full that reads the allocated area only says by its silence that all other grains are zeros. */
function forgetUnplanned(
  map: SectionMap,
  { range, planned, packs }: { range: GrainRun; planned: GrainBitmap; packs: PackTable },
): void {
  for (let grain = range.first; grain < range.end; grain++) {
    if (planned.has(grain)) continue;
    packs.release(map.packs[grain - range.first] ?? NO_PACK);
    map.packs[grain - range.first] = NO_PACK;
  }
}

/** Counts the grains of a shrunk disk that nobody can reach any more out of their packs. */
async function forgetCutOff(job: {
  base: ManifestReader;
  disk: DiskPlan;
  packs: PackTable;
  map: SectionMap;
}): Promise<void> {
  const keptGrains = grainsCovering(job.disk.diskBytes);
  for (let number = Math.floor(keptGrains / SECTION_GRAINS); number < job.base.header.sections.length; number++) {
    await job.base.section(number, job.map);
    const first = Math.max(0, keptGrains - number * SECTION_GRAINS);
    for (let at = first; at < SECTION_GRAINS; at++) job.packs.release(job.map.packs[at] ?? NO_PACK);
  }
}

/** The pack table while it changes: new packs come in, packs without a live grain go. */
class PackTable {
  readonly #entries = new Map<number, PackEntry>();
  /** By pack number. An array, because a full of 16 TiB counts 268 million grains. */
  readonly #live: number[] = [];
  #next = 1;

  constructor(entries: readonly PackEntry[]) {
    for (const entry of entries) this.#put(entry, entry.live);
  }

  add({ run, pack, data }: Receipt): number {
    if (pack === undefined) return NO_PACK;
    const no = this.#next;
    const { bytes, crc32, frames, indexBytes, indexSha256 } = pack;
    this.#put({ no, run, pack: pack.pack, bytes, crc32, frames, grains: data, live: 0, indexBytes, indexSha256 }, 0);
    return no;
  }

  #put(entry: PackEntry, live: number): void {
    this.#entries.set(entry.no, entry);
    this.#live[entry.no] = live;
    this.#next = Math.max(this.#next, entry.no + 1);
  }

  take(no: number): void {
    this.#live[no] = (this.#live[no] ?? 0) + 1;
  }

  release(no: number): void {
    if (no !== NO_PACK) this.#live[no] = (this.#live[no] ?? 0) - 1;
  }

  live(): PackEntry[] {
    return [...this.#entries.values()]
      .map((entry) => ({ ...entry, live: this.#live[entry.no] ?? 0 }))
      .filter((entry) => entry.live > 0);
  }
}

/** The receipt that is being laid over the map, and how far. */
interface OpenPart {
  readonly endGrain: GrainIndex;
  readonly outcomes: Outcomes;
  readonly pack: number;
  /** Position of the next planned grain among the part's outcomes, and of the next stored one in its pack. */
  position: number;
  slot: number;
}

/** Walks the grains of all receipts of one pass once, in disk order. */
class PassCursor {
  readonly #planned: GrainBitmap;
  readonly #receipts: Iterator<Receipt, undefined>;
  readonly #packs: PackTable;
  #part: OpenPart | undefined;

  constructor(pass: Pass, { planned, receipts }: ManifestInput, packs: PackTable) {
    this.#planned = planned.of(pass);
    this.#receipts = receiptsOf(pass, receipts)[Symbol.iterator]();
    this.#packs = packs;
  }

  /** Ranges come in order and without overlap; the map's first grain is the range's. */
  applyTo(map: SectionMap, range: GrainRun): void {
    for (const run of this.#planned.runsIn(range)) {
      for (let grain = run.first; grain < run.end; ) {
        const part = this.#partAt(grain);
        const end = Math.min(run.end, part.endGrain);
        this.#apply(map, part, { from: grain - range.first, to: end - range.first });
        grain = end;
      }
    }
  }

  #apply(map: SectionMap, part: OpenPart, { from, to }: { from: number; to: number }): void {
    for (let at = from; at < to; at++) {
      const outcome = part.outcomes.get(part.position++);
      if (outcome !== OUTCOME_DATA && outcome !== OUTCOME_ZERO) continue;
      this.#packs.release(map.packs[at] ?? NO_PACK);
      if (outcome === OUTCOME_DATA) this.#packs.take(part.pack);
      map.packs[at] = outcome === OUTCOME_DATA ? part.pack : NO_PACK;
      map.slots[at] = outcome === OUTCOME_DATA ? part.slot++ : 0;
    }
  }

  /** The part that covers a planned grain; coverage was checked, so there is one. */
  #partAt(grain: GrainIndex): OpenPart {
    let part = this.#part;
    while (part === undefined || part.endGrain <= grain) {
      const receipt = this.#receipts.next().value;
      assert(receipt !== undefined, `grain ${grain} is planned and in no receipt`);
      const outcomes = Outcomes.of(receipt, `shard ${receipt.shard} part ${receipt.part}`);
      part = { endGrain: receipt.endGrain, outcomes, pack: this.#packs.add(receipt), position: 0, slot: 0 };
    }
    this.#part = part;
    return part;
  }
}
