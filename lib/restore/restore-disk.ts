/** Restores a disk of a point into a target: parallel reads, bounded memory, damage named by byte ranges. */

import { Failure } from '#lib/failure.ts';
import type { GrainRun } from '#lib/format/grain-bitmap.ts';
import { type Bytes, grainOffsetBytes, grainRunBytes, grainsCovering } from '#lib/units.ts';
import type { DiskContent, LostRead } from '#lib/vault/disk-content.ts';
import type { FrameRead, GrainPlace } from '#lib/vault/frame-reads.ts';

/** 1 GiB of disk is planned at a time: of scattered increments this brings together what lies together in its pack. */
const PLANNED_GRAINS = 16_384;
/**
 * GETs in flight: enough to fill a link whose single connections are slow, and at most 12 x 16 MiB of memory, 8 MiB of
 * stored bytes and 8 MiB of content each.
 */
const FETCHES_AT_ONCE = 12;
/** Ranges named in the sentence; `ranges` holds all. */
const NAMED_RANGES = 20;

/** Half-open range of the disk's bytes. */
export interface DiskRange {
  readonly start: Bytes;
  readonly end: Bytes;
}

/** Where restored blocks go. */
export interface RestoreTarget {
  write(offsetBytes: Bytes, data: Buffer): Promise<void>;
  /** What an earlier attempt left there; present when there was one. It is compared by digest, never trusted. */
  readonly readBack?: (offsetBytes: Bytes, lengthBytes: Bytes) => Promise<Buffer>;
  /** Makes a range read as zeros; absent where everything that was never written does. */
  readonly writeZeros?: (range: DiskRange) => Promise<void>;
}

export interface RestoreProgress {
  /** Bytes of data that are in place, of `dataBytes` in all. Holes are not counted: they cost nothing. */
  readonly doneBytes: Bytes;
  readonly dataBytes: Bytes;
  readonly diskBytes: Bytes;
  /** Of those done, what this attempt fetched and wrote; the rest was there already. */
  readonly writtenBytes: Bytes;
}

export interface RestoreOptions {
  /** `go-on` restores everything that is intact before it throws DamagedContent; `stop` throws at the first damage. */
  readonly onDamage?: 'stop' | 'go-on';
  readonly onProgress?: (progress: RestoreProgress) => void;
  readonly signal?: AbortSignal;
  /** Only these grains; the whole disk unless given. */
  readonly range?: GrainRun;
}

/** Parts of the disk cannot be restored: the vault's objects are damaged or gone. */
export class DamagedContent extends Failure {
  static override readonly failureName = 'DamagedContent';
  readonly ranges: readonly DiskRange[];

  constructor(content: DiskContent, ranges: readonly DiskRange[], cause: Failure) {
    const damagedBytes = ranges.reduce((sum, { start, end }) => sum + (end - start), 0);
    const named = ranges.slice(0, NAMED_RANGES).map(({ start, end }) => `${start}-${end - 1}`);
    const more = ranges.length > named.length ? ` and ${ranges.length - named.length} more ranges` : '';
    super(
      `${damagedBytes} bytes of disk ${content.disk} at point ${content.entry.seq} are damaged in the vault: ` +
        `bytes ${named.join(', ')}${more}. ${cause.message}. Another point of this disk may hold them intact`,
      { cause, details: { disk: content.disk, seq: content.entry.seq, damagedBytes } },
    );
    this.ranges = ranges;
  }
}

/** Throws DamagedContent, and whatever the vault or the target cannot do; the target is then incomplete. */
export async function restoreDisk(
  content: DiskContent,
  target: RestoreTarget,
  options: RestoreOptions = {},
): Promise<RestoreProgress> {
  const restore = new DiskRestore(content, target, options);
  await restore.run();
  return restore.progress;
}

class DiskRestore {
  readonly #content: DiskContent;
  readonly #target: RestoreTarget;
  readonly #options: RestoreOptions;
  readonly #damage: GrainRun[] = [];
  #firstDamage: Failure | undefined;
  #handledBytes = 0;
  #writtenBytes = 0;
  #failed = false;

  constructor(content: DiskContent, target: RestoreTarget, options: RestoreOptions) {
    this.#content = content;
    this.#target = target;
    this.#options = options;
  }

  get progress(): RestoreProgress {
    const { dataBytes, diskBytes } = this.#content;
    return { doneBytes: this.#handledBytes, dataBytes, diskBytes, writtenBytes: this.#writtenBytes };
  }

  async run(): Promise<void> {
    const reads = this.#allReads();
    // All workers draw from the one generator, so each read is taken once and they stay near each other on the disk.
    const workers = await Promise.allSettled(Array.from({ length: FETCHES_AT_ONCE }, () => this.#work(reads)));
    const failure = workers.find((worker) => worker.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
    this.#throwDamage();
  }

  async *#allReads(): AsyncGenerator<FrameRead | LostRead, undefined> {
    const { first: start, end } = this.#options.range ?? { first: 0, end: grainsCovering(this.#content.diskBytes) };
    for (let first = start; first < end; first += PLANNED_GRAINS) {
      const range = { first, end: Math.min(first + PLANNED_GRAINS, end) };
      await this.#zeroHoles(range);
      yield* this.#content.reads(range);
    }
  }

  async #work(reads: AsyncGenerator<FrameRead | LostRead, undefined>): Promise<void> {
    try {
      for await (const read of sharing(reads)) {
        // Another worker's failure ends this one too: all of them are over before the target is closed.
        if (this.#failed) return;
        this.#options.signal?.throwIfAborted();
        await this.#restore(read);
        if (this.#options.onDamage !== 'go-on') this.#throwDamage();
        this.#options.onProgress?.(this.progress);
      }
    } catch (failure) {
      this.#failed = true;
      throw failure;
    }
  }

  async #restore(read: FrameRead | LostRead): Promise<void> {
    const missing = read.kind === 'frames' ? await this.#withoutPresent(read) : read;
    await this.#content.deliver(missing, {
      write: async (offsetBytes, data) => {
        await this.#target.write(offsetBytes, data);
        this.#handledBytes += data.length;
        this.#writtenBytes += data.length;
      },
      damaged: (run, failure) => {
        this.#damage.push(run);
        this.#firstDamage ??= failure;
      },
    });
  }

  /** Leaves out the frames whose grains an earlier attempt wrote, which their digests prove. */
  async #withoutPresent(read: FrameRead): Promise<FrameRead> {
    if (this.#target.readBack === undefined) return read;
    const frames = [];
    for (const frame of read.frames) {
      const present = await Promise.all(frame.grains.map((place) => this.#isPresent(read, place)));
      if (present.includes(false)) frames.push(frame);
      else this.#handledBytes += frame.grains.reduce((sum, place) => sum + this.#bytesOf(place), 0);
    }
    return { ...read, frames };
  }

  async #isPresent(read: FrameRead, place: GrainPlace): Promise<boolean> {
    const data = await this.#target.readBack?.(grainOffsetBytes(place.first), this.#bytesOf(place));
    return data !== undefined && this.#content.holds(read, place, data);
  }

  async #zeroHoles(range: GrainRun): Promise<void> {
    if (this.#target.writeZeros === undefined) return;
    let first = range.first;
    for (const run of [...(await this.#content.dataRuns(range)), { first: range.end, end: range.end }]) {
      if (run.first > first) await this.#target.writeZeros(this.#bytesBetween({ first, end: run.first }));
      first = run.end;
    }
  }

  #bytesOf(place: { readonly first: number; readonly count: number }): Bytes {
    return grainRunBytes(place, this.#content.diskBytes);
  }

  #bytesBetween({ first, end }: GrainRun): DiskRange {
    const start = grainOffsetBytes(first);
    return { start, end: start + this.#bytesOf({ first, count: end - first }) };
  }

  #throwDamage(): void {
    if (this.#firstDamage === undefined) return;
    const ranges = joined(this.#damage).map((run) => this.#bytesBetween(run));
    throw new DamagedContent(this.#content, ranges, this.#firstDamage);
  }
}

/** A loop over a shared generator that leaves it open for the others when it ends early. */
function sharing<T>(items: AsyncGenerator<T, undefined>): AsyncIterable<T> {
  return { [Symbol.asyncIterator]: () => ({ next: () => items.next() }) };
}

/** The runs in order, neighbours in one. */
function joined(runs: readonly GrainRun[]): GrainRun[] {
  const result: { first: number; end: number }[] = [];
  for (const { first, end } of runs.toSorted((a, b) => a.first - b.first)) {
    const last = result.at(-1);
    if (last?.end === first) last.end = end;
    else result.push({ first, end });
  }
  return result;
}
