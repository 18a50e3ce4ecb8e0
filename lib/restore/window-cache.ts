/** Windows of a disk's content in memory: loaded once however many want them, the least recently used go first. */

import type { Failure } from '#lib/failure.ts';
import type { GrainRun } from '#lib/format/grain-bitmap.ts';
import { type Bytes, GRAIN_BYTES, grainOffsetBytes, WINDOW_GRAINS } from '#lib/units.ts';
import type { DiskContent } from '#lib/vault/disk-content.ts';

/** The unit of storage, and so the least that can be loaded. */
export const WINDOW_BYTES = WINDOW_GRAINS * GRAIN_BYTES;

/** Half-open run of windows. */
export interface WindowRun {
  readonly first: number;
  readonly end: number;
}

export class WindowCache {
  readonly #content: DiskContent;
  readonly #limitWindows: number;
  /** In order of last use, oldest first. */
  readonly #windows = new Map<number, Promise<Buffer>>();

  constructor(content: DiskContent, limitBytes: Bytes) {
    this.#content = content;
    this.#limitWindows = Math.max(1, Math.floor(limitBytes / WINDOW_BYTES));
  }

  /** The windows of a run, each whole but for the disk's last. Rejects with what is wrong with one of them. */
  get(run: WindowRun): Promise<Buffer[]> {
    const windows = this.#start(run);
    return Promise.all(windows);
  }

  /** Loads what is not there; never rejects: failures are met again by whoever asks for the windows. */
  async prefetch(run: WindowRun): Promise<void> {
    await Promise.allSettled(this.#start(run));
  }

  has(window: number): boolean {
    return this.#windows.has(window);
  }

  #start({ first, end }: WindowRun): Promise<Buffer>[] {
    const found: Promise<Buffer>[] = [];
    const missing = new Map<number, PromiseWithResolvers<Buffer>>();
    for (let window = first; window < end; window++) {
      const known = this.#windows.get(window);
      if (known !== undefined) this.#windows.delete(window);
      const entry = known ?? this.#newEntry(window, missing);
      this.#windows.set(window, entry);
      found.push(entry);
    }
    if (missing.size > 0) void this.#load({ first, end }, missing);
    this.#evict();
    return found;
  }

  #newEntry(window: number, missing: Map<number, PromiseWithResolvers<Buffer>>): Promise<Buffer> {
    const made = Promise.withResolvers<Buffer>();
    missing.set(window, made);
    // A window that could not be loaded is tried again by the next who wants it.
    made.promise.catch(() => {
      if (this.#windows.get(window) === made.promise) this.#windows.delete(window);
    });
    return made.promise;
  }

  #evict(): void {
    for (const oldest of this.#windows.keys()) {
      if (this.#windows.size <= this.#limitWindows) return;
      this.#windows.delete(oldest);
    }
  }

  /** Settles every window in `missing`. */
  async #load({ first, end }: WindowRun, missing: ReadonlyMap<number, PromiseWithResolvers<Buffer>>): Promise<void> {
    const loaded = new Map<number, Buffer>();
    try {
      const grains = { first: first * WINDOW_GRAINS, end: end * WINDOW_GRAINS };
      for await (const read of this.#content.reads(grains)) {
        const isMissing = ({ first: grain }: { first: number }) => missing.has(Math.floor(grain / WINDOW_GRAINS));
        const wanted =
          read.kind === 'lost'
            ? read
            : { ...read, frames: read.frames.filter(({ grains: places }) => places.some(isMissing)) };
        await this.#content.deliver(wanted, {
          write: (offsetBytes, data) => this.#keep(loaded, offsetBytes, data),
          damaged: (run, failure) => rejectWindows(missing, run, failure),
        });
      }
      // A window that a frame was lost of is rejected already; resolving it then changes nothing.
      for (const [window, { resolve }] of missing) resolve(loaded.get(window) ?? this.#emptyWindow(window));
    } catch (failure) {
      for (const { reject } of missing.values()) reject(failure);
    }
  }

  #keep(loaded: Map<number, Buffer>, offsetBytes: Bytes, data: Buffer): void {
    const window = Math.floor(offsetBytes / WINDOW_BYTES);
    const within = offsetBytes % WINDOW_BYTES;
    const lengthBytes = this.#windowBytes(window);
    if (within === 0 && data.length === lengthBytes) {
      loaded.set(window, data);
      return;
    }
    const buffer = loaded.get(window) ?? Buffer.alloc(lengthBytes);
    data.copy(buffer, within);
    loaded.set(window, buffer);
  }

  #emptyWindow(window: number): Buffer {
    return ZEROS.subarray(0, this.#windowBytes(window));
  }

  #windowBytes(window: number): Bytes {
    return Math.min(WINDOW_BYTES, this.#content.diskBytes - window * WINDOW_BYTES);
  }
}

/** Shared by all windows without data: nobody changes what a cache gives. */
const ZEROS = Buffer.alloc(WINDOW_BYTES);

function rejectWindows(
  missing: ReadonlyMap<number, PromiseWithResolvers<Buffer>>,
  run: GrainRun,
  failure: Failure,
): void {
  const end = Math.ceil(grainOffsetBytes(run.end) / WINDOW_BYTES);
  for (const [window, { reject }] of missing) {
    if (window >= Math.floor(grainOffsetBytes(run.first) / WINDOW_BYTES) && window < end) reject(failure);
  }
}
