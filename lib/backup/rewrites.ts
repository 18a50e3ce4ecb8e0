/**
 * Which packs of the base a run writes anew: those that were found damaged, and those whose dead grains are worth more
 * than copying the live ones costs. Their live grains are a pass of their own and are read from the source again, never
 * from the pack. So compaction fetches nothing from storage, a damaged pack heals, and old manifests stay as they are.
 */

import { GrainBitmap } from '#lib/format/grain-bitmap.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { PackEntry } from '#lib/format/manifest.ts';
import { decodeExtents } from '#lib/format/section.ts';
import type { ObjectStore, StorageClass } from '#lib/store/object-store.ts';
import {
  type DiskId,
  GRAIN_BYTES,
  type GrainCount,
  MIB,
  type PackId,
  parsePackId,
  SECTION_GRAINS,
} from '#lib/units.ts';
import type { ManifestReader } from '#lib/vault/manifest-reader.ts';

/**
 * Dead grains that packs of the newest map may hold for each live one before a run copies. After a year of 50 GiB a day
 * on 2 TiB with 30 points, stored bytes against the ideal, and GiB read again a day (bench/manifest-compaction.ts):
 *
 * ```
 *         uniform      hot tenth    hot tenth, scattered
 * 0.8     1.62, 15.5   1.52, 4.0    1.54, 7.9
 * 1.0     1.69, 10.7   1.63, 2.6    1.65, 6.9
 * never   4.67,  0     1.89, 0      5.72, 0
 * ```
 */
const DEAD_FOR_EACH_LIVE = 0.8;
/** Below this share of live grains a pack goes in any case: copying so little is repaid within days. */
const NEARLY_EMPTY = 0.05;
/** Freeing less than this is not worth a run's attention. */
const DEAD_AT_LEAST_GRAINS = (64 * MIB) / GRAIN_BYTES;
/** For compaction a run reads at most as much again as changed; what is left waits for the next run. */
const EXTRA_PER_CHANGED = 1;

/**
 * What copying a byte costs, in months of keeping it in its class: the old copy stays for a month, until the points that
 * need it are gone; requests of 16 MiB parts come on top. A copy in Intelligent-Tiering begins in the dearest tier again
 * although its original had sunk to the cheapest ($0.023 + 2 x 0.0125 instead of 3 x 0.004, in months of 0.004), and a
 * class with a retrieval fee bills its least duration (30, 90 days) for whichever copy goes early.
 */
const COPY_COSTS_MONTHS = { STANDARD: 1, INTELLIGENT_TIERING: 10, STANDARD_IA: 2.1, GLACIER_IR: 4.3 } as const;
/** A copy that has not paid for itself by then is a bet on what the disk will do. */
const REPAID_WITHIN_MONTHS = 3;

export interface RewriteChoice {
  readonly packs: readonly PackEntry[];
  readonly damaged: ReadonlySet<PackId>;
  readonly changedGrains: GrainCount;
  readonly storageClass: StorageClass | undefined;
}

/** Damaged packs whatever they take, then those that free most for what they take, within the run's cap. Pure. */
export function choosePacksToRewrite({ packs, damaged, changedGrains, storageClass }: RewriteChoice): PackEntry[] {
  const chosen = packs.filter(({ pack }) => damaged.has(pack));
  const others = packs.filter(({ pack }) => !damaged.has(pack));
  const live = others.reduce((sum, pack) => sum + pack.live, 0);
  let dead = others.reduce((sum, pack) => sum + deadIn(pack), 0);
  let left = changedGrains * EXTRA_PER_CHANGED;
  for (const pack of byBenefit(others.filter((candidate) => isWorthCopying(candidate, storageClass)))) {
    const isEnough = dead <= live * DEAD_FOR_EACH_LIVE && pack.live >= pack.grains * NEARLY_EMPTY;
    if (isEnough || pack.live > left) continue;
    left -= pack.live;
    dead -= deadIn(pack);
    chosen.push(pack);
  }
  return chosen;
}

const deadIn = ({ grains, live }: PackEntry) => grains - live;

function isWorthCopying(pack: PackEntry, storageClass: StorageClass = 'STANDARD'): boolean {
  const freedMonths = deadIn(pack) * REPAID_WITHIN_MONTHS;
  return deadIn(pack) >= DEAD_AT_LEAST_GRAINS && freedMonths >= pack.live * COPY_COSTS_MONTHS[storageClass];
}

/**
 * What is freed for each grain copied, times age: what lived long in a pack will live on, so that it is copied once,
 * whereas a young pack soon empties by itself (Rosenblum and Ousterhout, The Design and Implementation of a
 * Log-Structured File System, 1992, section 3.4). Numbers of packs only grow, so that they tell age without a clock.
 */
function byBenefit(packs: readonly PackEntry[]): PackEntry[] {
  const newest = packs.reduce((highest, { no }) => Math.max(highest, no), 0);
  const benefit = (pack: PackEntry) => (deadIn(pack) / pack.live) * (newest + 1 - pack.no);
  return packs.toSorted((a, b) => benefit(b) - benefit(a));
}

/** What is written anew: which packs go, and their live grains that the run does not read as changed already. */
export interface Rewrites {
  readonly packs: PackId[];
  readonly grains: GrainBitmap;
}

/** Undefined when nothing is to be written anew. */
export async function planRewrites(
  store: ObjectStore,
  base: ManifestReader,
  { changed, storageClass }: { changed: GrainBitmap; storageClass: StorageClass | undefined },
): Promise<Rewrites | undefined> {
  const { disk, packs, sections } = base.header;
  const damaged = await listDamaged(store, disk);
  const chosen = choosePacksToRewrite({ packs, damaged, changedGrains: changed.count(), storageClass });
  if (chosen.length === 0) return undefined;
  const numbers = new Set(chosen.map(({ no }) => no));
  const grains = new GrainBitmap(changed.grains);
  for (let section = 0; section < sections.length; section++) {
    const { firsts, lengths, packs: numbersOf } = decodeExtents(await base.sectionBytes(section), base.key);
    for (const [i, no] of numbersOf.entries()) {
      if (!numbers.has(no)) continue;
      const first = section * SECTION_GRAINS + (firsts[i] ?? 0);
      // What was cut off a disk that shrank is neither there to read nor live any more.
      grains.addRun({ first, end: Math.min(first + (lengths[i] ?? 0), grains.grains) });
    }
  }
  grains.remove(changed);
  return { packs: chosen.map(({ pack }) => pack), grains };
}

async function listDamaged(store: ObjectStore, disk: DiskId): Promise<Set<PackId>> {
  const damaged = new Set<PackId>();
  for await (const { key } of store.list(vaultKeys.damages(disk))) {
    damaged.add(parsePackId(key.slice(vaultKeys.damages(disk).length).replace(/\.json$/, '')));
  }
  return damaged;
}
