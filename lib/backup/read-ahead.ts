/**
 * Keeps many reads under way and hands their bytes out in disk order, within a fixed amount of memory.
 *
 * ```
 *          issue --->                        take --->
 *   ring: [ free | read 7 | read 6 | read 5 | read 4 = oldest | free ]
 * ```
 *
 * Reads lie one behind the other in one ring of memory. Since they are taken in the order in which they were issued, the
 * memory of the oldest is what the next issue gets. Depth hides the round trip: 75 MiB/s at 50 ms need 4 MiB under way,
 * scattered 64 KiB reads 64 requests.
 */

import type { GrainRun } from '#lib/format/grain-bitmap.ts';
import { type Bytes, grainOffsetBytes, grainRunBytes, MIB } from '#lib/units.ts';
import type { BlockSource } from './block-source.ts';

/** 1 MiB requests cost the least CPU per byte and stay within two of the host's 512 KiB pieces. */
export const READ_GRAINS = 16;
const RING_BYTES = 16 * MIB;
const MAX_READS = 128;

export interface CompletedRead {
  readonly run: GrainRun;
  /** Valid until the next `take`. */
  readonly bytes: Buffer;
}

interface PendingRead {
  readonly run: GrainRun;
  readonly bytes: Buffer;
  readonly ringEnd: number;
  readonly arrived: Promise<void>;
}

export class ReadAhead {
  readonly #source: BlockSource;
  readonly #diskBytes: Bytes;
  readonly #ring: Buffer;
  readonly #pending: PendingRead[] = [];
  /** Where the next read goes, and where the oldest one that is still held begins. */
  #head = 0;
  #tail = 0;
  #held: PendingRead | undefined;

  /** `ringBytes` bounds the memory, and with it what is under way. */
  constructor(source: BlockSource, { diskBytes, ringBytes = RING_BYTES }: { diskBytes: Bytes; ringBytes?: Bytes }) {
    this.#source = source;
    this.#diskBytes = diskBytes;
    // Nothing is read twice, so the ring of a small disk never needs more than the disk.
    this.#ring = Buffer.allocUnsafeSlow(Math.min(ringBytes, diskBytes));
  }

  get waiting(): number {
    return this.#pending.length;
  }

  /** Issues the read of at most 16 grains if there is room; false means: take one first. */
  tryIssue(run: GrainRun): boolean {
    const bytes = grainRunBytes({ first: run.first, count: run.end - run.first }, this.#diskBytes);
    const at = this.#pending.length < MAX_READS ? this.#room(bytes) : undefined;
    if (at === undefined) return false;
    const target = this.#ring.subarray(at, at + bytes);
    const arrived = this.#source.readInto(grainOffsetBytes(run.first), target);
    // The failure is thrown by `take`; until then nobody listens, and an unheard rejection would end the process.
    arrived.catch(() => undefined);
    this.#head = at + bytes;
    this.#pending.push({ run, bytes: target, ringEnd: this.#head, arrived });
    return true;
  }

  /** The oldest read, once it has arrived; releases the memory of the one taken before. */
  async take(): Promise<CompletedRead | undefined> {
    if (this.#held !== undefined) this.#tail = this.#held.ringEnd;
    this.#held = this.#pending.shift();
    if (this.#held === undefined) {
      this.#head = 0;
      this.#tail = 0;
      return undefined;
    }
    await this.#held.arrived;
    return this.#held;
  }

  /** Where `bytes` fit in one piece. Head and tail may only be equal when the ring is empty. */
  #room(bytes: number): number | undefined {
    const empty = this.#pending.length === 0 && this.#held === undefined;
    if (empty || this.#head > this.#tail) {
      if (this.#head + bytes <= this.#ring.length) return this.#head;
      return bytes < this.#tail ? 0 : undefined;
    }
    return this.#head + bytes < this.#tail ? this.#head : undefined;
  }
}
