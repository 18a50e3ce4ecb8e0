/**
 * Which packs of the base a run writes anew: those that were found damaged, and those of which so little is live that
 * keeping them costs more than copying what is. Their live grains join the planned ones and are read from the source
 * again, never from the pack. So compaction fetches nothing from storage, a damaged pack heals, and old manifests stay
 * as they are.
 */

import type { GrainBitmap } from '#lib/format/grain-bitmap.ts';
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
 * Copied grains are stored twice until the old points expire, and every one of them is read from the host again, so that
 * more is not better. After a year of 50 GiB a day on 2 TiB with 30 points, stored bytes against the ideal and GiB read
 * again a day (bench/manifest-compaction.ts), for changes all over the disk and for 90 % of them in a tenth of it:
 *
 * ```
 * 0.20   1.69, 10.5    1.61,  7.1
 * 0.25   1.62, 14.2    1.73,  9.4
 * 0.30   1.59, 18.4    1.73, 12.9
 * never  5.70,  0      2.02,  0
 * ```
 */
const LIVE_BELOW = 0.2;
/** In classes that bill 30 or 90 days whatever happens, an object pays for itself longer. */
const LIVE_BELOW_WITH_MINIMUM_DURATION = 0.1;
/** Freeing less than this is not worth a run's attention. */
const DEAD_AT_LEAST_GRAINS = (64 * MIB) / GRAIN_BYTES;
/** For compaction a run reads at most as much again as changed; what is left waits for the next run. */
const EXTRA_PER_CHANGED = 1;

export interface RewriteChoice {
  readonly packs: readonly PackEntry[];
  readonly damaged: ReadonlySet<PackId>;
  readonly changedGrains: GrainCount;
  readonly storageClass: StorageClass | undefined;
}

/** Damaged packs whatever they take, then the emptiest within the run's cap. Pure. */
export function choosePacksToRewrite({ packs, damaged, changedGrains, storageClass }: RewriteChoice): PackEntry[] {
  const hasMinimum = storageClass === 'STANDARD_IA' || storageClass === 'GLACIER_IR';
  const liveBelow = hasMinimum ? LIVE_BELOW_WITH_MINIMUM_DURATION : LIVE_BELOW;
  const chosen = packs.filter(({ pack }) => damaged.has(pack));
  const sparse = packs.filter(
    ({ pack, live, grains }) =>
      !damaged.has(pack) && live < grains * liveBelow && grains - live >= DEAD_AT_LEAST_GRAINS,
  );
  let left = changedGrains * EXTRA_PER_CHANGED;
  for (const pack of sparse.toSorted((a, b) => a.live / a.grains - b.live / b.grains)) {
    if (pack.live > left) continue;
    left -= pack.live;
    chosen.push(pack);
  }
  return chosen;
}

/** Adds the live grains of the packs to rewrite to `planned`, and says which packs these are. */
export async function planRewrites(
  store: ObjectStore,
  base: ManifestReader,
  { planned, storageClass }: { planned: GrainBitmap; storageClass: StorageClass | undefined },
): Promise<PackId[]> {
  const { disk, packs, sections } = base.header;
  const damaged = await listDamaged(store, disk);
  const chosen = choosePacksToRewrite({ packs, damaged, changedGrains: planned.count(), storageClass });
  if (chosen.length === 0) return [];
  const numbers = new Set(chosen.map(({ no }) => no));
  for (let section = 0; section < sections.length; section++) {
    const { firsts, lengths, packs: numbersOf } = decodeExtents(await base.sectionBytes(section), base.key);
    for (const [i, no] of numbersOf.entries()) {
      if (!numbers.has(no)) continue;
      const first = section * SECTION_GRAINS + (firsts[i] ?? 0);
      // What was cut off a disk that shrank is neither there to read nor live any more.
      planned.addRun({ first, end: Math.min(first + (lengths[i] ?? 0), planned.grains) });
    }
  }
  return chosen.map(({ pack }) => pack);
}

async function listDamaged(store: ObjectStore, disk: DiskId): Promise<Set<PackId>> {
  const damaged = new Set<PackId>();
  for await (const { key } of store.list(vaultKeys.damages(disk))) {
    damaged.add(parsePackId(key.slice(vaultKeys.damages(disk).length).replace(/\.json$/, '')));
  }
  return damaged;
}
