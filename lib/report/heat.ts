/** Where on a disk the present content of each run lies, read from the newest manifest alone. */

import type { ObjectStore } from '#lib/store/object-store.ts';
import { type DiskId, grainsCovering, type RunId, SECTION_GRAINS } from '#lib/units.ts';
import { readHead } from '#lib/vault/ledger.ts';
import { ManifestReader } from '#lib/vault/manifest-reader.ts';
import type { HeatRow } from './plots.ts';

export interface DiskHeat {
  readonly title: string;
  readonly rows: readonly HeatRow[];
}

/** Columns of a map: cells as wide as a finger on a phone that scrolls. */
const CELLS = 64;
/** The newest runs; older ones are one row together. */
const RUNS_SHOWN = 14;

/** Undefined for a disk without a point. `runNames` says how to call a run. */
export async function readDiskHeat(
  store: ObjectStore,
  disk: DiskId,
  { title, runNames }: { title: string; runNames: ReadonlyMap<string, string> },
): Promise<DiskHeat | undefined> {
  const head = await readHead(store, disk);
  if (head === undefined) return undefined;
  const reader = await ManifestReader.open(store, head.entry.manifest);
  const grains = grainsCovering(reader.header.diskBytes);
  const cellGrains = Math.ceil(grains / CELLS);
  const runs = new Map<RunId, number[]>();
  for (let section = 0; section < reader.header.sections.length; section++) {
    const { firsts, lengths, packs } = await reader.extents(section);
    for (let i = 0; i < firsts.length; i++) {
      const { run } = reader.pack(packs[i] ?? 0);
      const counts = runs.get(run) ?? new Array<number>(CELLS).fill(0);
      runs.set(run, counts);
      addRun(counts, { first: section * SECTION_GRAINS + (firsts[i] ?? 0), count: lengths[i] ?? 0 }, cellGrains);
    }
  }
  return { title, rows: rowsOf(runs, { runNames, cellGrains }) };
}

function addRun(counts: number[], run: { first: number; count: number }, cellGrains: number): void {
  const end = run.first + run.count;
  for (let at = run.first; at < end; ) {
    const cell = Math.floor(at / cellGrains);
    const until = Math.min(end, (cell + 1) * cellGrains);
    counts[cell] = (counts[cell] ?? 0) + until - at;
    at = until;
  }
}

function rowsOf(
  runs: ReadonlyMap<RunId, readonly number[]>,
  { runNames, cellGrains }: { runNames: ReadonlyMap<string, string>; cellGrains: number },
): HeatRow[] {
  const known = [...runs].map(([run, counts]) => ({ name: runNames.get(run) ?? '', counts }));
  const ordered = known.toSorted((a, b) => (a.name < b.name ? 1 : -1));
  const older = ordered.slice(RUNS_SHOWN);
  const shown = ordered.slice(0, RUNS_SHOWN).map(({ name, counts }) => ({ label: name || 'an older run', counts }));
  if (older.length > 0) {
    const sums = Array.from({ length: CELLS }, (_, cell) =>
      older.reduce((sum, { counts }) => sum + (counts[cell] ?? 0), 0),
    );
    shown.push({ label: `${older.length} older runs`, counts: sums });
  }
  return shown.map(({ label, counts }) => ({ label, shares: counts.map((count) => count / cellGrains) }));
}
