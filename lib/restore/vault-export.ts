/** A disk of a point as the NBD server serves it: from a bounded cache, with read-ahead for those who read in order. */

import type { ServedExtent } from '#lib/nbd-server/protocol.ts';
import type { ServedDisk } from '#lib/nbd-server/served-disk.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { type Bytes, GRAIN_BYTES, grainOffsetBytes, MIB } from '#lib/units.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import type { FrameUnpacker } from '#lib/vault/unpack-frames.ts';
import type { NamedPoint } from './points.ts';
import { SequentialStreams } from './sequential-streams.ts';
import { WINDOW_BYTES, WindowCache, type WindowRun } from './window-cache.ts';

/** Fetched together for a reader in order: one GET of a full pack. */
const STRETCH_WINDOWS = 32;
/** Two stretches ahead hide a round trip to S3 of 100 ms from a reader of 160 MiB/s. */
const AHEAD_BYTES = 16 * MIB;
/** Stretches fetched ahead at once, for all clients together: 64 MiB. */
const MAX_READ_AHEADS = 8;

export interface VaultExportSettings {
  readonly name: string;
  readonly description: string;
  /** How much content is kept in memory. */
  readonly cacheBytes: Bytes;
}

export class VaultExport implements ServedDisk {
  readonly name: string;
  readonly description: string;
  readonly diskBytes: Bytes;
  readonly #content: DiskContent;
  readonly #cache: WindowCache;
  readonly #streams = new SequentialStreams();
  #readAheads = 0;

  constructor(content: DiskContent, settings: VaultExportSettings) {
    this.name = settings.name;
    this.description = settings.description;
    this.diskBytes = content.diskBytes;
    this.#content = content;
    this.#cache = new WindowCache(content, settings.cacheBytes);
  }

  async read(offsetBytes: Bytes, lengthBytes: Bytes): Promise<readonly Buffer[]> {
    if (lengthBytes === 0) return [];
    const end = offsetBytes + lengthBytes;
    const first = Math.floor(offsetBytes / WINDOW_BYTES);
    const asked = this.#cache.get({ first, end: Math.ceil(end / WINDOW_BYTES) });
    this.#readAhead(offsetBytes, lengthBytes);
    return (await asked).map((window, i) => {
      const start = (first + i) * WINDOW_BYTES;
      return window.subarray(Math.max(0, offsetBytes - start), Math.min(window.length, end - start));
    });
  }

  async extents(
    { offsetBytes, lengthBytes }: { offsetBytes: Bytes; lengthBytes: Bytes },
    limit: number,
  ): Promise<ServedExtent[]> {
    const end = offsetBytes + lengthBytes;
    const range = { first: Math.floor(offsetBytes / GRAIN_BYTES), end: Math.ceil(end / GRAIN_BYTES) };
    const extents: ServedExtent[] = [];
    let at = offsetBytes;
    const add = (until: Bytes, hole: boolean) => {
      if (until > at) extents.push({ bytes: until - at, hole });
      at = Math.max(at, until);
    };
    for (const run of await this.#content.dataRuns(range)) {
      if (extents.length >= limit) return extents.slice(0, limit);
      add(grainOffsetBytes(run.first), true);
      add(Math.min(grainOffsetBytes(run.end), end), false);
    }
    add(end, true);
    return extents.slice(0, limit);
  }

  #readAhead(offsetBytes: Bytes, lengthBytes: Bytes): void {
    const next = this.#streams.next(offsetBytes, lengthBytes);
    if (next === undefined) return;
    const diskWindows = Math.ceil(this.diskBytes / WINDOW_BYTES);
    const lastStretch = stretchOf(Math.min(next + AHEAD_BYTES, this.diskBytes) - 1);
    for (let stretch = stretchOf(next); stretch <= lastStretch; stretch++) {
      if (this.#readAheads >= MAX_READ_AHEADS) return;
      const first = Math.max(stretch * STRETCH_WINDOWS, Math.floor(next / WINDOW_BYTES));
      const end = Math.min((stretch + 1) * STRETCH_WINDOWS, diskWindows);
      // What is there up to the end of the stretch was fetched ahead before.
      if (first < end && !this.#cache.has(end - 1)) void this.#prefetch({ first, end });
    }
  }

  async #prefetch(run: WindowRun): Promise<void> {
    this.#readAheads++;
    await this.#cache.prefetch(run);
    this.#readAheads--;
  }
}

function stretchOf(offsetBytes: Bytes): number {
  return Math.floor(offsetBytes / (STRETCH_WINDOWS * WINDOW_BYTES));
}

/** One export for each disk of the point, named by its position; they share the memory evenly. */
export function serveExports(
  store: ObjectStore,
  { name, point }: NamedPoint,
  { cacheBytes, unpacker }: { readonly cacheBytes: Bytes; readonly unpacker: FrameUnpacker },
): Promise<VaultExport[]> {
  const disks = point.disks.map(async ({ disk, seq, device, name: label }) => {
    const description = `${label} of ${point.vmName} at ${name}`;
    const settings = { name: device, description, cacheBytes: Math.floor(cacheBytes / point.disks.length) };
    return new VaultExport(await DiskContent.open(store, { disk, seq }, unpacker), settings);
  });
  return Promise.all(disks);
}
