/**
 * What a year of daily increments leaves in storage, with compaction by the rule that runs use and without: 2 TiB, 50 GiB
 * changed a day in runs of 256 KiB, 30 daily points kept. Only the map is simulated, by windows of 256 KiB; no bytes move.
 * Disk, changes and packs are all made smaller by `scale`: there are as many packs, and figures differ by less than 0.02.
 *
 * Usage: bench/manifest-compaction.ts [--days 365] [--pattern uniform] [--class GLACIER_IR] [--scale 16]
 */

import { parseArgs } from 'node:util';
import { choosePacksToRewrite } from '#lib/backup/rewrites.ts';
import type { PackEntry } from '#lib/format/manifest.ts';
import type { StorageClass } from '#lib/store/object-store.ts';
import { GIB, GRAIN_BYTES, parsePackId, parseRunId, parseSha256, WINDOW_GRAINS } from '#lib/units.ts';

const { values } = parseArgs({
  options: {
    days: { type: 'string', default: '365' },
    pattern: { type: 'string', default: '' },
    class: { type: 'string', default: 'STANDARD' },
    scale: { type: 'string', default: '16' },
  },
});
const days = Number(values.days);
const scale = Number(values.scale);
const storageClass = values.class as StorageClass;

const TARGET_FACTOR = 1.7;
const KEPT_DAYS = 30;
const WINDOW_BYTES = WINDOW_GRAINS * GRAIN_BYTES * scale;
const WINDOWS = (2048 * GIB) / WINDOW_BYTES;
const DAILY_WINDOWS = (50 * GIB) / WINDOW_BYTES;
const PACK_WINDOWS = (4 * GIB) / WINDOW_BYTES;
/** No pack is looked at that frees less than 64 MiB: packs of windows that stand for many must seem as large as they are. */
const GRAINS_STOOD_FOR = WINDOW_GRAINS * scale;
const IDEAL_WINDOWS = WINDOWS + KEPT_DAYS * DAILY_WINDOWS;

/** Uniform over the disk; nine of ten changes in one tenth of it; the same with the tenth scattered over the disk. */
const PATTERNS = ['uniform', 'hot tenth', 'scattered hot tenth'] as const;
type Pattern = (typeof PATTERNS)[number];

function changedWindow(pattern: Pattern): number {
  if (pattern === 'uniform' || random() >= 0.9) return Math.floor(random() * WINDOWS);
  const hot = Math.floor(random() * WINDOWS * 0.1);
  return pattern === 'hot tenth' ? hot : hot * 10;
}

interface Pack {
  windows: number;
  live: number;
  /** Day from which on the newest map does not need it. */
  deadSince: number;
}

// xorshift32: fast, and the same on every machine.
let state = 2_463_534_242;
function random(): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) / 2 ** 32;
}

const CHANGED = 1;
const REWRITTEN = 2;

class SimulatedDisk {
  readonly #packOf = new Uint32Array(WINDOWS);
  /** By window: 0, or in which pass it is written. */
  readonly #planned = new Uint8Array(WINDOWS);
  readonly #packs: Pack[] = [];
  copied = 0;

  constructor() {
    this.#planned.fill(CHANGED);
    this.#write(0, CHANGED);
    this.#planned.fill(0);
  }

  day(day: number, pattern: Pattern, compacts: boolean): void {
    for (let changed = 0; changed < DAILY_WINDOWS; ) {
      const window = changedWindow(pattern);
      changed += this.#planned[window] === 0 ? 1 : 0;
      this.#planned[window] = CHANGED;
    }
    if (compacts) this.#planRewrites();
    this.#write(day, CHANGED);
    this.#write(day, REWRITTEN);
    this.#planned.fill(0);
  }

  #planRewrites(): void {
    const entries = this.#packs.flatMap((pack, no) => (pack.live === 0 ? [] : [entryOf(no, pack)]));
    const changedGrains = DAILY_WINDOWS * GRAINS_STOOD_FOR;
    const choice = { packs: entries, damaged: new Set<never>(), changedGrains, storageClass };
    const chosen = new Set(choosePacksToRewrite(choice).map(({ no }) => no));
    if (chosen.size === 0) return;
    for (let window = 0; window < WINDOWS; window++) {
      if (this.#planned[window] === CHANGED || !chosen.has(this.#packOf[window] ?? 0)) continue;
      this.#planned[window] = REWRITTEN;
      this.copied += 1;
    }
  }

  /** What a pass plans goes into new packs, in disk order. */
  #write(day: number, pass: number): void {
    let room = 0;
    for (let window = 0; window < WINDOWS; window++) {
      if (this.#planned[window] !== pass) continue;
      if (room === 0) {
        this.#packs.push({ windows: 0, live: 0, deadSince: 0 });
        room = PACK_WINDOWS;
      }
      room -= 1;
      const no = this.#packs.length - 1;
      if (day > 0) this.#release(this.#packOf[window] ?? 0, day);
      this.#packOf[window] = no;
      const pack = this.#packs[no];
      if (pack === undefined) continue;
      pack.windows += 1;
      pack.live += 1;
    }
  }

  #release(no: number, day: number): void {
    const pack = this.#packs[no];
    if (pack === undefined) return;
    pack.live -= 1;
    if (pack.live === 0) pack.deadSince = day;
  }

  /** Windows in packs that any of the last points needs. */
  stored(day: number): number {
    const needed = this.#packs.filter(({ live, deadSince }) => live > 0 || deadSince > day - KEPT_DAYS);
    return needed.reduce((sum, { windows }) => sum + windows, 0);
  }
}

const RUN = parseRunId('0'.repeat(16));
const PACK = parsePackId('0'.repeat(32));
const SHA256 = parseSha256('0'.repeat(64));

function entryOf(no: number, { windows, live }: Pack): PackEntry {
  const [grains, liveGrains] = [windows * GRAINS_STOOD_FOR, live * GRAINS_STOOD_FOR];
  const facts = { run: RUN, pack: PACK, bytes: 0, crc32: 0, frames: windows, indexBytes: 0, indexSha256: SHA256 };
  return { ...facts, no, grains, live: liveGrains };
}

for (const pattern of PATTERNS.filter((name) => values.pattern === '' || values.pattern === name)) {
  for (const compacts of [false, true]) {
    const disk = new SimulatedDisk();
    let most = 0;
    for (let day = 1; day <= days; day++) {
      disk.day(day, pattern, compacts);
      most = Math.max(most, disk.stored(day) / IDEAL_WINDOWS);
    }
    const factor = disk.stored(days) / IDEAL_WINDOWS;
    const copiedGib = (disk.copied * WINDOW_BYTES) / GIB / days;
    const verdict = compacts ? `, target ${TARGET_FACTOR}: ${factor <= TARGET_FACTOR ? 'met' : 'MISSED'}` : '';
    process.stdout.write(
      `${pattern}, ${compacts ? 'with' : 'without'} compaction: ${factor.toFixed(2)} x ideal after ${days} days${verdict}, ` +
        `${most.toFixed(2)} at most on the way; ${copiedGib.toFixed(1)} GiB read again a day\n`,
    );
  }
}
