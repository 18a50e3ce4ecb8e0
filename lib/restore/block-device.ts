/**
 * A block device as restore target. It has no second name to hide an unfinished restore under, so its first grain, which
 * holds the partition table or the file system's head, is zeros until everything else is on the device.
 */

import { type FileHandle, open } from 'node:fs/promises';
import { type Bytes, GRAIN_BYTES, MIB } from '#lib/units.ts';
import { readFully, TargetUnusable, writeFully, writing } from './image-file.ts';
import type { DiskRange, RestoreTarget } from './restore-disk.ts';

const ZEROS = Buffer.alloc(4 * MIB);

export interface BlockDeviceSettings {
  readonly diskBytes: Bytes;
  /** `zeros`: the device is new and reads as zeros, so that holes need not be written. */
  readonly before: 'unknown' | 'zeros';
}

export class BlockDevice implements RestoreTarget, AsyncDisposable {
  readonly writeZeros?: (range: DiskRange) => Promise<void>;
  readonly #path: string;
  readonly #file: FileHandle;
  #head: Buffer | undefined;

  private constructor(path: string, file: FileHandle, { before }: BlockDeviceSettings) {
    this.#path = path;
    this.#file = file;
    if (before === 'unknown') this.writeZeros = (range) => this.#zero(range);
  }

  static async open(path: string, settings: BlockDeviceSettings): Promise<BlockDevice> {
    return writing(path, async () => {
      const file = await open(path, 'r+');
      const deviceBytes = await endOf(file);
      if (deviceBytes < settings.diskBytes) {
        await file.close();
        throw new TargetUnusable(`${path} has ${deviceBytes} bytes, less than the ${settings.diskBytes} of the disk`);
      }
      const device = new BlockDevice(path, file, settings);
      await device.#zero({ start: 0, end: Math.min(GRAIN_BYTES, settings.diskBytes) });
      await file.datasync();
      return device;
    });
  }

  async write(offsetBytes: Bytes, data: Buffer): Promise<void> {
    if (offsetBytes > 0) return writing(this.#path, () => writeFully(this.#file, offsetBytes, data));
    this.#head = data.subarray(0, GRAIN_BYTES);
    const rest = data.subarray(GRAIN_BYTES);
    if (rest.length > 0) await writing(this.#path, () => writeFully(this.#file, GRAIN_BYTES, rest));
  }

  /** Also of a device that no earlier attempt touched: what is compared by digest need not be known. */
  readBack(offsetBytes: Bytes, lengthBytes: Bytes): Promise<Buffer> {
    return readFully(this.#file, offsetBytes, lengthBytes);
  }

  async finish(): Promise<void> {
    const head = this.#head;
    await writing(this.#path, async () => {
      await this.#file.sync();
      if (head !== undefined) await writeFully(this.#file, 0, head);
      await this.#file.sync();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }

  #zero({ start, end }: DiskRange): Promise<void> {
    return writing(this.#path, async () => {
      for (let at = start; at < end; at += ZEROS.length) {
        await writeFully(this.#file, at, ZEROS.subarray(0, Math.min(ZEROS.length, end - at)));
      }
    });
  }
}

/** 2^53 bytes and more are no device's size; bisection over reads of one byte finds the end in 53 steps. */
async function endOf(file: FileHandle): Promise<Bytes> {
  let low = 0;
  let high = Number.MAX_SAFE_INTEGER;
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    if ((await readFully(file, middle, 1)).length === 1) low = middle + 1;
    else high = middle;
  }
  return low;
}
