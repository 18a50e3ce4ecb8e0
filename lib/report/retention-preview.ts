/** What retention will let go within a week, and the bytes that come free with it. */

import { vaultKeys } from '#lib/format/keys.ts';
import type { ManifestHeader } from '#lib/format/manifest.ts';
import { type DatedPoint, decideRetention, type RetentionPolicy } from '#lib/retention/policy.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { Bytes, DiskId } from '#lib/units.ts';
import { readEntry } from '#lib/vault/ledger.ts';
import { ManifestReader } from '#lib/vault/manifest-reader.ts';
import type { PointFacts } from './history.ts';

export interface RetentionPreview {
  readonly points: number;
  /** `exactly` are packs, indexes and manifests that only these points use; `at-most` is what their runs stored. */
  readonly kind: 'exactly' | 'at-most';
  readonly bytes: Bytes;
}

const DAY_MS = 86_400_000;
const DAYS_AHEAD = 7;

/** Points that no rule keeps any more in a week, with a new point on each day until then. */
export function lettingGo(points: readonly PointFacts[], policy: RetentionPolicy, now: Date): PointFacts[] {
  const coming: DatedPoint[] = Array.from({ length: DAYS_AHEAD }, (_, index) => ({
    name: `expected in ${index + 1} days`,
    time: new Date(now.getTime() + (index + 1) * DAY_MS),
  }));
  const then = new Date(now.getTime() + DAYS_AHEAD * DAY_MS);
  const real = new Map<DatedPoint, PointFacts>(points.map((point) => [point, point]));
  return decideRetention<DatedPoint>([...points, ...coming], policy, then).flatMap(({ point, keep }) => {
    const existing = real.get(point);
    return keep || existing === undefined ? [] : [existing];
  });
}

/** Reads the headers of so many manifests for one report; a header of a large disk takes a second and some megabytes. */
export class ManifestHeaders {
  readonly #store: ObjectStore;
  #left: number;

  constructor(store: ObjectStore, limit: number) {
    this.#store = store;
    this.#left = limit;
  }

  has(count: number): boolean {
    return this.#left >= count;
  }

  async read(disk: DiskId, seq: number): Promise<{ readonly header: ManifestHeader; readonly bytes: Bytes }> {
    this.#left -= 1;
    const { manifest } = (await readEntry(this.#store, { disk, seq })).entry;
    return { header: (await ManifestReader.open(this.#store, manifest)).header, bytes: manifest.bytes };
  }
}

/**
 * Undefined when that would take more manifests than may be read. A pack is used by the points from the run that wrote
 * it until the first that does not need it any more, without a gap: of the points that stay only the neighbours of those
 * that go can use what these use.
 */
export async function freedBytes(
  headers: ManifestHeaders,
  points: readonly PointFacts[],
  going: readonly PointFacts[],
): Promise<Bytes | undefined> {
  const leaving = new Set(going);
  const groups = [...new Set(points.flatMap(({ entries }) => entries.map(({ disk }) => disk)))].flatMap((disk) =>
    groupsOf(disk, points, leaving),
  );
  if (!headers.has(groups.reduce((sum, { going: own, staying }) => sum + own.length + staying.length, 0)))
    return undefined;
  let bytes: Bytes = 0;
  for (const group of groups) bytes += await freedByGroup(headers, group);
  return bytes;
}

interface Group {
  readonly disk: DiskId;
  /** Neighbours in the ledger that all go. */
  readonly going: readonly number[];
  /** The one before and the one after them, as far as there are such. */
  readonly staying: readonly number[];
}

function groupsOf(disk: DiskId, points: readonly PointFacts[], leaving: ReadonlySet<PointFacts>): Group[] {
  const groups: { disk: DiskId; going: number[]; staying: number[] }[] = [];
  let before: number | undefined;
  let open: (typeof groups)[number] | undefined;
  for (const point of points) {
    const seq = point.entries.find((entry) => entry.disk === disk)?.seq;
    if (seq === undefined) continue;
    if (!leaving.has(point)) {
      open?.staying.push(seq);
      open = undefined;
      before = seq;
    } else if (open === undefined) {
      open = { disk, going: [seq], staying: before === undefined ? [] : [before] };
      groups.push(open);
    } else open.going.push(seq);
  }
  return groups;
}

async function freedByGroup(headers: ManifestHeaders, { disk, going, staying }: Group): Promise<Bytes> {
  const needed = new Set<string>();
  for (const seq of staying) {
    for (const pack of (await headers.read(disk, seq)).header.packs) needed.add(vaultKeys.pack(disk, pack));
  }
  const free = new Map<string, Bytes>();
  let manifests: Bytes = 0;
  for (const seq of going) {
    const { header, bytes } = await headers.read(disk, seq);
    manifests += bytes;
    for (const pack of header.packs) {
      const key = vaultKeys.pack(disk, pack);
      if (!needed.has(key)) free.set(key, pack.bytes + pack.indexBytes);
    }
  }
  return [...free.values()].reduce((sum, bytes) => sum + bytes, manifests);
}
