/** Writes the stored grains of a part as one pack, frame by frame, and its index beside it. */

import assert from 'node:assert/strict';
import { FRAME_CONTENT_BYTES } from '#lib/format/frame.ts';
import { type FrameCompressor, FrameEncoder } from '#lib/format/frame-encoder.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { sha256Of } from '#lib/format/manifest.ts';
import { encodePackTail, type PackedFrame } from '#lib/format/pack.ts';
import type { Receipt } from '#lib/format/receipt.ts';
import { MIN_PART_BYTES, MultipartWriter } from '#lib/store/multipart-writer.ts';
import type { ObjectLock } from '#lib/store/object-lock.ts';
import type { ObjectStore, StorageClass } from '#lib/store/object-store.ts';
import {
  type Bytes,
  type DiskId,
  GRAIN_BYTES,
  type GrainCount,
  type GrainIndex,
  MIB,
  type PackId,
  type RunId,
  WINDOW_GRAINS,
} from '#lib/units.ts';

/** 16 MiB parts: 256 for a pack of 4 GiB; three of them in memory at once, which is most of what a reader needs. */
export const PACK_PART_BYTES = 16 * MIB;
/** What frames, tail and index add to grains that cannot be compressed is well below one in 64. */
const OVERHEAD_DIVISOR = 64;

/** Parts for a pack of at most so many grains. A small one fits into one part, which takes no more memory than it needs. */
export function partBytesFor(grains: GrainCount): Bytes {
  const wholePackBytes = (grains + Math.ceil(grains / OVERHEAD_DIVISOR) + 1) * GRAIN_BYTES;
  return Math.min(PACK_PART_BYTES, Math.max(MIN_PART_BYTES, wholePackBytes));
}

export interface PackWriterSettings {
  readonly store: ObjectStore;
  readonly disk: DiskId;
  readonly run: RunId;
  readonly pack: PackId;
  readonly storageClass?: StorageClass | undefined;
  /** Of the pack and of its index. */
  readonly lock?: ObjectLock;
  /** Left out: PACK_PART_BYTES. */
  readonly partBytes?: Bytes;
  /** Left out: a thread of libuv's pool for each. */
  readonly newCompressor?: (() => FrameCompressor) | undefined;
}

/** Windows compressed at once while the next one is filled: with one, both processors of a reader wait in turn. */
const ENCODERS = 2;

/** A window that is being compressed. */
interface FrameUnderWay {
  readonly facts: Omit<PackedFrame, 'storedBytes'>;
  readonly encoded: Promise<readonly Buffer[]>;
}

export class PackWriter {
  readonly #settings: PackWriterSettings;
  readonly #writer: MultipartWriter;
  readonly #encoders: FrameCompressor[];
  readonly #frames: PackedFrame[] = [];
  /** In disk order, oldest first. */
  readonly #underWay: FrameUnderWay[] = [];
  /** Windows that are filled or compressed: their stored grains one behind the other. They take turns. */
  readonly #contents = Array.from({ length: ENCODERS }, () => Buffer.allocUnsafeSlow(FRAME_CONTENT_BYTES));
  #content = Buffer.allocUnsafeSlow(FRAME_CONTENT_BYTES);
  #contentBytes = 0;
  #window = -1;
  #mask = 0;
  #digests: Buffer[] = [];

  constructor(settings: PackWriterSettings) {
    const { store, disk, storageClass, lock, partBytes = PACK_PART_BYTES } = settings;
    const newCompressor = settings.newCompressor ?? (() => new FrameEncoder());
    this.#settings = settings;
    this.#encoders = Array.from({ length: ENCODERS }, newCompressor);
    this.#writer = new MultipartWriter({
      store,
      key: vaultKeys.pack(disk, settings),
      partBytes,
      options: { ...(storageClass && { storageClass }), ...(lock && { lock }) },
    });
  }

  /** Adds the next grain in disk order; its bytes are copied. Waits when the store is slower than the host. */
  async add(grain: GrainIndex, content: { bytes: Buffer; digest: Buffer }): Promise<void> {
    const window = Math.floor(grain / WINDOW_GRAINS);
    if (window !== this.#window) await this.#endFrame();
    this.#window = window;
    this.#mask |= 1 << (grain % WINDOW_GRAINS);
    this.#contentBytes += content.bytes.copy(this.#content, this.#contentBytes);
    // A copy shares its memory with its neighbours; 65,536 buffers with memory of their own would take 20 MiB.
    this.#digests.push(Buffer.from(content.digest));
  }

  /** Begins to compress the window, after the oldest one under way has gone if all encoders are taken. */
  async #endFrame(): Promise<void> {
    if (this.#mask === 0) return;
    if (this.#underWay.length === ENCODERS) await this.#sendFrame();
    const encoder = this.#encoders.shift();
    assert(encoder !== undefined, 'fewer windows are under way than there are encoders');
    this.#encoders.push(encoder);
    const content = this.#content.subarray(0, this.#contentBytes);
    const encoded = encoder.encode(content);
    // The failure is thrown by `#sendFrame`; after an abort nobody calls it.
    encoded.catch(() => undefined);
    const facts = { window: this.#window, mask: this.#mask, contentBytes: content.length, digests: this.#digests };
    this.#underWay.push({ facts, encoded });
    this.#contents.push(this.#content);
    this.#content = this.#contents.shift() ?? Buffer.allocUnsafeSlow(FRAME_CONTENT_BYTES);
    this.#contentBytes = 0;
    this.#mask = 0;
    this.#digests = [];
  }

  /** Waits for the oldest frame under way and sends it on. */
  async #sendFrame(): Promise<void> {
    const oldest = this.#underWay.shift();
    if (oldest === undefined) return;
    const pieces = await oldest.encoded;
    this.#frames.push({ ...oldest.facts, storedBytes: pieces.reduce((sum, piece) => sum + piece.length, 0) });
    for (const piece of pieces) await this.#writer.write(piece);
  }

  /**
   * Completes the pack, then writes its index; undefined when nothing was added. The index comes second: a receipt names
   * both, and an index without its pack would be found by nobody.
   */
  async finish(): Promise<Receipt['pack']> {
    await this.#endFrame();
    while (this.#underWay.length > 0) await this.#sendFrame();
    this.#closeEncoders();
    if (this.#frames.length === 0) return undefined;
    const { index, tail } = encodePackTail(this.#settings.pack, this.#frames);
    await this.#writer.write(tail);
    const { bytes, crc32 } = await this.#writer.finish();
    const { store, disk, lock } = this.#settings;
    await store.put(vaultKeys.packIndex(disk, this.#settings), index, { ...(lock && { lock }) });
    return {
      pack: this.#settings.pack,
      bytes,
      crc32,
      frames: this.#frames.length,
      indexBytes: index.length,
      indexSha256: sha256Of(index),
    };
  }

  abort(): Promise<void> {
    this.#closeEncoders();
    return this.#writer.abort();
  }

  #closeEncoders(): void {
    for (const encoder of this.#encoders) encoder.close();
  }
}
