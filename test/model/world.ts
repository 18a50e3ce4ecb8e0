/** The world of the model: one disk, one vault in memory, a clock that jumps, and what really was on the disk when. */

import type { BlockSource } from '#lib/backup/block-source.ts';
import type { Clock } from '#lib/clock.ts';
import { encodeFrame } from '#lib/format/frame.ts';
import type { FrameCompressor } from '#lib/format/frame-encoder.ts';
import type { Shard } from '#lib/format/plan.ts';
import { GRAIN_BYTES, type PackId, parseDiskId, parseRunId, parseVmId, type RunId } from '#lib/units.ts';
import { MemoryBucket } from '../fakes/memory-store.ts';
import { seededRandom } from '../fakes/random.ts';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
export const DISK = parseDiskId('d15c0000-0000-4000-8000-000000000001');
export const VM = parseVmId('5e4e0000-0000-4000-8000-000000000001');

/** What a disk holds: for each grain a number, 0 for zeros; the bytes of a grain all have its number. */
export interface Content {
  readonly bytes: number;
  readonly grains: readonly number[];
}

/** A run as the model knows it, whatever became of it in the vault. */
export interface ModelRun {
  readonly run: RunId;
  readonly content: Content;
  readonly startedMs: number;
  readonly baseSeq: number;
  readonly planned: readonly number[];
  readonly shards: readonly Shard[];
  /** Packs of the base that the run writes anew. */
  readonly rewritten: ReadonlySet<PackId>;
  readonly kind: 'full' | 'incremental';
  /** Grains asked from the block source by all attempts together, and in how many attempts. */
  grainsRead: number;
  attempts: number;
}

const FILLED = Array.from({ length: 256 }, (_, value) => Buffer.alloc(GRAIN_BYTES, value));

export function grainBytes({ bytes, grains }: Content, grain: number): Buffer {
  const whole = FILLED[grains[grain] ?? 0]!;
  return whole.subarray(0, Math.min(GRAIN_BYTES, bytes - grain * GRAIN_BYTES));
}

export class World {
  readonly random: () => number;
  readonly bucket: MemoryBucket;
  readonly runs: ModelRun[] = [];
  disk: Content;
  nowMs = Date.UTC(2026, 0, 5);
  #names = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.bucket = new MemoryBucket({ now: () => new Date(this.nowMs) });
    const grains = Array.from({ length: 40 }, () => (this.chance(0.5) ? this.below(255) + 1 : 0));
    this.disk = { bytes: 39 * GRAIN_BYTES + 1536, grains };
  }

  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[this.below(items.length)];
  }

  /** A clock of one machine: up to a day off, either way. */
  skewedClock(): Clock {
    const skewMs = (this.random() * 2 - 1) * DAY_MS;
    return { now: () => new Date(this.nowMs + skewMs), sleep: () => Promise.resolve() };
  }

  nextRun(): RunId {
    return parseRunId((++this.#names).toString(16).padStart(16, '0'));
  }

  randomBytes = (count: number): Buffer => Buffer.from(Array.from({ length: count }, () => this.below(256)));

  source(run: ModelRun): BlockSource {
    return {
      exportBytes: run.content.bytes,
      readInto: async (offsetBytes, target) => {
        for (let done = 0; done < target.length; done += GRAIN_BYTES) {
          grainBytes(run.content, (offsetBytes + done) / GRAIN_BYTES).copy(target, done);
          run.grainsRead += 1;
        }
      },
      close: () => Promise.resolve(),
    };
  }

  /**
   * Compresses in the thread of the model. In libuv's pool a frame overtakes calls of the store or not as the machine's
   * load has it, and steps that run together would draw their numbers in another order each time.
   */
  newCompressor = (): FrameCompressor => ({
    encode: async (content) => {
      await this.bucket.turn();
      return [encodeFrame(content)];
    },
    close: () => undefined,
  });

  runOf(id: RunId): ModelRun {
    const found = this.runs.find(({ run }) => run === id);
    if (found === undefined) throw new Error(`the vault speaks of run ${id}, which never was`);
    return found;
  }
}
