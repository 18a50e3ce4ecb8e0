/**
 * The index of a pack: which grains its frames hold, where each frame is, and every grain's digest. It is stored twice
 * with the same bytes: inside the pack, so that the pack alone suffices, and as an object of its own, so that backup,
 * prune and daily verification never read a pack.
 *
 * ```
 *  0  "BFINDEX1"
 *  8  pack id, 16 bytes
 * 24  u32 F, number of frames        28  u32 G, number of grains        (all integers little-endian)
 * 32  F x u32  window of each frame: its first grain / 4, ascending
 *     F x u32  stored bytes of each frame
 *     F x u8   mask: bit i is set when grain i of the window is in the frame
 *     G x 16   digest of each grain, in the order of the frames
 * ```
 */

import { type PackId, parsePackId, WINDOW_GRAINS } from '#lib/units.ts';
import { DamagedObject } from './failures.ts';
import { DIGEST_BYTES } from './grain-content.ts';

const MAGIC = Buffer.from('BFINDEX1', 'latin1');
const HEADER_BYTES = 32;
const FRAME_COLUMNS_BYTES = 9;
const MASK_GRAINS = Uint8Array.from({ length: 1 << WINDOW_GRAINS }, (_, mask) => grainsOf(mask));

function grainsOf(mask: number): number {
  let grains = 0;
  for (let bit = 0; bit < WINDOW_GRAINS; bit++) grains += (mask >> bit) & 1;
  return grains;
}

/** How many grains a frame's mask says it holds. */
export function grainsInMask(mask: number): number {
  return MASK_GRAINS[mask] ?? 0;
}

/** One frame as the writer knows it. */
export interface FrameEntry {
  readonly window: number;
  readonly mask: number;
  readonly storedBytes: number;
  /** One digest for each grain in the mask, in order. */
  readonly digests: readonly Buffer[];
}

export function encodePackIndex(pack: PackId, frames: readonly FrameEntry[]): Buffer {
  const grains = frames.reduce((sum, frame) => sum + frame.digests.length, 0);
  const index = Buffer.alloc(HEADER_BYTES + frames.length * FRAME_COLUMNS_BYTES + grains * DIGEST_BYTES);
  MAGIC.copy(index, 0);
  index.write(pack, 8, 'hex');
  index.writeUInt32LE(frames.length, 24);
  index.writeUInt32LE(grains, 28);
  const storedAt = HEADER_BYTES + 4 * frames.length;
  const masksAt = storedAt + 4 * frames.length;
  let digestAt = masksAt + frames.length;
  frames.forEach((frame, i) => {
    index.writeUInt32LE(frame.window, HEADER_BYTES + 4 * i);
    index.writeUInt32LE(frame.storedBytes, storedAt + 4 * i);
    index.writeUInt8(frame.mask, masksAt + i);
    for (const digest of frame.digests) digestAt += digest.copy(index, digestAt);
  });
  return index;
}

/** Where a frame lies in its pack and which slots it holds. */
export interface FramePlace {
  readonly frame: number;
  readonly offsetBytes: number;
  readonly storedBytes: number;
  readonly window: number;
  readonly mask: number;
  /** Slot of the frame's first grain; a slot is a grain's position in the pack. */
  readonly firstSlot: number;
  readonly grains: number;
}

export class PackIndex {
  readonly pack: PackId;
  readonly frames: number;
  readonly grains: number;
  readonly #bytes: Buffer;
  readonly #offsets: Float64Array;
  readonly #slots: Uint32Array;

  /** Checks every column; `where` names the object in DamagedObject. */
  constructor(bytes: Buffer, where: string) {
    const damaged = (what: string) => new DamagedObject(`pack index ${where}: ${what}`);
    if (bytes.length < HEADER_BYTES || !bytes.subarray(0, 8).equals(MAGIC)) throw damaged('it does not begin as one');
    this.pack = parsePackId(bytes.toString('hex', 8, 24));
    this.frames = bytes.readUInt32LE(24);
    this.grains = bytes.readUInt32LE(28);
    const expected = HEADER_BYTES + this.frames * FRAME_COLUMNS_BYTES + this.grains * DIGEST_BYTES;
    if (bytes.length !== expected) throw damaged(`${bytes.length} bytes long where its counts make ${expected}`);
    this.#bytes = bytes;
    this.#offsets = new Float64Array(this.frames + 1);
    this.#slots = new Uint32Array(this.frames + 1);
    let previousWindow = -1;
    for (let i = 0; i < this.frames; i++) {
      const grains = grainsInMask(this.#mask(i));
      const window = this.#window(i);
      if (grains === 0 || window <= previousWindow) throw damaged(`frame ${i} is out of order or empty`);
      previousWindow = window;
      this.#offsets[i + 1] = (this.#offsets[i] ?? 0) + this.#storedBytes(i);
      this.#slots[i + 1] = (this.#slots[i] ?? 0) + grains;
    }
    if (this.#slots[this.frames] !== this.grains) throw damaged('its masks and its grain count disagree');
  }

  /** The index as it is stored. */
  toBytes(): Buffer {
    return this.#bytes;
  }

  /** Bytes of all frames together: where the index begins in the pack. */
  get framesBytes(): number {
    return this.#offsets[this.frames] ?? 0;
  }

  frameAt(frame: number): FramePlace {
    return {
      frame,
      offsetBytes: this.#offsets[frame] ?? 0,
      storedBytes: this.#storedBytes(frame),
      window: this.#window(frame),
      mask: this.#mask(frame),
      firstSlot: this.#slots[frame] ?? 0,
      grains: grainsInMask(this.#mask(frame)),
    };
  }

  /** The frame that holds `slot`, by bisection. */
  frameOfSlot(slot: number): FramePlace {
    if (slot < 0 || slot >= this.grains) throw new DamagedObject(`pack ${this.pack} has no slot ${slot}`);
    let low = 0;
    let high = this.frames;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((this.#slots[middle] ?? 0) <= slot) low = middle;
      else high = middle;
    }
    return this.frameAt(low);
  }

  digestOf(slot: number): Buffer {
    const at = HEADER_BYTES + this.frames * FRAME_COLUMNS_BYTES + slot * DIGEST_BYTES;
    return this.#bytes.subarray(at, at + DIGEST_BYTES);
  }

  #window(frame: number): number {
    return this.#bytes.readUInt32LE(HEADER_BYTES + 4 * frame);
  }

  #storedBytes(frame: number): number {
    return this.#bytes.readUInt32LE(HEADER_BYTES + 4 * this.frames + 4 * frame);
  }

  #mask(frame: number): number {
    return this.#bytes.readUInt8(HEADER_BYTES + 8 * this.frames + frame);
  }
}
