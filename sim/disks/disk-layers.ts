/**
 * Disk contents as stacks of sparse files: every grain (64 KiB) of a disk is found in exactly one layer, or in none.
 *
 *   owners of the live disk   [ 1  1  2  0  2  3 ]      0 = hole, read as zeros
 *                               |     |        |
 *   layer 1 (the image file) ---+     |        |        all layers use the disk's own offsets
 *   layer 2 (frozen by a snapshot) ---+        |
 *   layer 3 (being written) -------------------+
 *
 * A snapshot copies the table and freezes the layers it names; the next write opens a new overlay.
 */

import { closeSync, openSync, read, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

export const GRAIN_BYTES = 65_536;

const HOLE = 0;
const SCANNED_BYTES = 1_048_576;
const SCANNED_ZEROS = Buffer.alloc(SCANNED_BYTES);
const ZERO_GRAIN = SCANNED_ZEROS.subarray(0, GRAIN_BYTES);
const readAt = promisify(read);

interface Layer {
  readonly id: number;
  readonly descriptor: number;
  readonly path: string;
  /** A temporary layer's file goes away with its last user; the user's own image file stays. */
  readonly temporary: boolean;
  users: number;
}

/** Makes disk images whose overlay files live in one folder. */
export class DiskStore {
  readonly #folder: string;
  readonly #open = new Set<Layer>();
  #lastId = HOLE;

  constructor(folder: string) {
    this.#folder = folder;
  }

  empty(sizeBytes: number): DiskImage {
    return new DiskImage(this, sizeBytes);
  }

  /** A disk over a raw image file, which is only ever read. It is read once here, to know where it holds zeros. */
  async overFile(path: string, sizeBytes: number): Promise<DiskImage> {
    const image = new DiskImage(this, sizeBytes);
    await image.adopt(this.#add({ descriptor: openSync(path, 'r'), path, temporary: false }));
    return image;
  }

  newOverlay(): Layer {
    const path = join(this.#folder, `layer-${this.#lastId + 1}.raw`);
    return this.#add({ descriptor: openSync(path, 'wx+'), path, temporary: true });
  }

  retain(layer: Layer): void {
    layer.users += 1;
  }

  release(layer: Layer): void {
    layer.users -= 1;
    if (layer.users === 0) this.#close(layer);
  }

  /** Closes every file, whoever still uses it. */
  closeAll(): void {
    for (const layer of this.#open) this.#close(layer);
  }

  #add(opened: Omit<Layer, 'id' | 'users'>): Layer {
    this.#lastId += 1;
    const layer = { ...opened, id: this.#lastId, users: 0 };
    this.#open.add(layer);
    return layer;
  }

  #close(layer: Layer): void {
    if (!this.#open.delete(layer)) return;
    closeSync(layer.descriptor);
    if (layer.temporary) rmSync(layer.path, { force: true });
  }
}

interface Run {
  readonly layer: Layer | undefined;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/** The content of one disk or snapshot. */
export class DiskImage {
  readonly #store: DiskStore;
  readonly #layers = new Map<number, Layer>();
  #owners: Uint32Array;
  #sizeBytes: number;
  #top: Layer | undefined;
  /** Kept while writing, because counting the owners of a disk of TiBs takes too long for a getter. */
  #allocatedGrains = 0;

  constructor(store: DiskStore, sizeBytes: number) {
    this.#store = store;
    this.#sizeBytes = sizeBytes;
    this.#owners = new Uint32Array(Math.ceil(sizeBytes / GRAIN_BYTES));
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Bytes of grains that some layer holds: what the disk takes on the storage, snapshots not counted apart. */
  get allocatedBytes(): number {
    return this.#allocatedGrains * GRAIN_BYTES;
  }

  /** Lets one layer own every grain for which it holds anything but zeros. */
  async adopt(layer: Layer): Promise<void> {
    this.#keep(layer);
    const piece = Buffer.allocUnsafe(SCANNED_BYTES);
    for (let at = 0; at < this.#sizeBytes; at += SCANNED_BYTES) {
      await fill(layer, piece, at);
      if (piece.equals(SCANNED_ZEROS)) continue;
      for (let grain = 0; grain < SCANNED_BYTES / GRAIN_BYTES; grain += 1) {
        const bytes = piece.subarray(grain * GRAIN_BYTES, (grain + 1) * GRAIN_BYTES);
        const first = at / GRAIN_BYTES + grain;
        if (!bytes.equals(ZERO_GRAIN)) this.#own(layer, { first, last: first });
      }
    }
  }

  /** An immutable image of the present content, without copying data. */
  freeze(): DiskImage {
    const frozen = new DiskImage(this.#store, this.#sizeBytes);
    frozen.#owners = Uint32Array.from(this.#owners);
    frozen.#allocatedGrains = this.#allocatedGrains;
    for (const layer of this.#layers.values()) frozen.#keep(layer);
    this.#top = undefined;
    return frozen;
  }

  /** True where a hole or the same layer answers for a grain in both images; then the content is equal for certain. */
  sharesGrain(other: DiskImage, grain: number): boolean {
    return this.ownerOf(grain) === other.ownerOf(grain);
  }

  isHole(grain: number): boolean {
    return this.ownerOf(grain) === HOLE;
  }

  ownerOf(grain: number): number {
    return this.#owners[grain] ?? HOLE;
  }

  async read(offsetBytes: number, lengthBytes: number): Promise<Buffer> {
    const target = Buffer.allocUnsafe(lengthBytes);
    await this.readInto(target, offsetBytes);
    return target;
  }

  /** Fills `target` with the disk's bytes from `offsetBytes` on; a range past the end reads as zeros. */
  async readInto(target: Buffer, offsetBytes: number): Promise<void> {
    for (const run of this.#runs(offsetBytes, target.length)) {
      const start = run.offsetBytes - offsetBytes;
      const piece = target.subarray(start, start + run.lengthBytes);
      if (run.layer) await fill(run.layer, piece, run.offsetBytes);
      else piece.fill(0);
    }
  }

  /** Writes bytes into the top layer; a grain that is only partly covered is completed from the layer below. */
  write(offsetBytes: number, bytes: Uint8Array): void {
    const end = offsetBytes + bytes.length;
    if (end > this.#sizeBytes)
      throw new RangeError(`write of ${bytes.length} at ${offsetBytes} is past the disk's end`);
    if (bytes.length === 0) return;
    const top = this.#writable();
    const firstGrain = Math.floor(offsetBytes / GRAIN_BYTES);
    const lastGrain = Math.floor((end - 1) / GRAIN_BYTES);
    if (offsetBytes % GRAIN_BYTES !== 0) this.#complete(firstGrain, top);
    if (end % GRAIN_BYTES !== 0) this.#complete(lastGrain, top);
    for (let written = 0; written < bytes.length; ) {
      written += writeSync(top.descriptor, bytes, written, bytes.length - written, offsetBytes + written);
    }
    this.#own(top, { first: firstGrain, last: lastGrain });
  }

  resize(sizeBytes: number): void {
    const owners = new Uint32Array(Math.ceil(sizeBytes / GRAIN_BYTES));
    owners.set(this.#owners.subarray(0, owners.length));
    this.#owners = owners;
    this.#sizeBytes = sizeBytes;
    this.#allocatedGrains = owners.reduce((grains, owner) => (owner === HOLE ? grains : grains + 1), 0);
  }

  /** Gives up the data; files that no other image uses are removed. */
  drop(): void {
    for (const layer of this.#layers.values()) this.#store.release(layer);
    this.#layers.clear();
    this.#owners.fill(HOLE);
    this.#allocatedGrains = 0;
    this.#top = undefined;
  }

  #own(layer: Layer, { first, last }: { first: number; last: number }): void {
    for (let grain = first; grain <= last && grain < this.#owners.length; grain += 1) {
      if (this.#owners[grain] === HOLE) this.#allocatedGrains += 1;
      this.#owners[grain] = layer.id;
    }
  }

  #keep(layer: Layer): void {
    this.#store.retain(layer);
    this.#layers.set(layer.id, layer);
  }

  #writable(): Layer {
    if (this.#top) return this.#top;
    const top = this.#store.newOverlay();
    this.#keep(top);
    this.#top = top;
    return top;
  }

  #complete(grain: number, top: Layer): void {
    const owner = this.#layers.get(this.ownerOf(grain));
    if (!owner || owner === top) return;
    const bytes = Buffer.alloc(GRAIN_BYTES);
    const found = readSync(owner.descriptor, bytes, 0, GRAIN_BYTES, grain * GRAIN_BYTES);
    writeSync(top.descriptor, bytes, 0, found, grain * GRAIN_BYTES);
  }

  *#runs(offsetBytes: number, lengthBytes: number): Generator<Run> {
    const end = offsetBytes + lengthBytes;
    for (let at = offsetBytes; at < end; ) {
      const grain = Math.floor(at / GRAIN_BYTES);
      const owner = this.ownerOf(grain);
      let next = grain + 1;
      while (next * GRAIN_BYTES < end && this.ownerOf(next) === owner) next += 1;
      const runEnd = Math.min(next * GRAIN_BYTES, end);
      yield { layer: this.#layers.get(owner), offsetBytes: at, lengthBytes: runEnd - at };
      at = runEnd;
    }
  }
}

/** A layer's file may be shorter than the disk (a sparse overlay's tail): what it lacks is zeros. */
async function fill(layer: Layer, target: Buffer, offsetBytes: number): Promise<void> {
  let filled = 0;
  while (filled < target.length) {
    const { bytesRead } = await readAt(layer.descriptor, target, filled, target.length - filled, offsetBytes + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  target.fill(0, filled);
}
