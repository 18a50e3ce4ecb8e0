/** A range of a disk, served as if it were a disk: for tools that know file systems and nothing of partitions. */

import type { ServedExtent } from '#lib/nbd-server/protocol.ts';
import type { ServedDisk } from '#lib/nbd-server/served-disk.ts';
import type { Bytes } from '#lib/units.ts';
import type { DiskRange } from './restore-disk.ts';

export class PartitionExport implements ServedDisk {
  readonly name: string;
  readonly description: string;
  readonly diskBytes: Bytes;
  readonly #disk: ServedDisk;
  readonly #startBytes: Bytes;
  readonly #onFailedRead: (failure: unknown, range: DiskRange) => void;

  /** Told of each failure with the range of the whole disk that was asked for. The range may end behind the disk. */
  constructor(
    disk: ServedDisk,
    { start, end }: DiskRange,
    onFailedRead: (failure: unknown, range: DiskRange) => void = () => undefined,
  ) {
    this.name = disk.name;
    this.description = disk.description;
    this.#disk = disk;
    this.#startBytes = Math.min(start, disk.diskBytes);
    this.diskBytes = Math.min(end, disk.diskBytes) - this.#startBytes;
    this.#onFailedRead = onFailedRead;
  }

  async read(offsetBytes: Bytes, lengthBytes: Bytes): Promise<readonly Buffer[]> {
    const start = this.#startBytes + offsetBytes;
    try {
      return await this.#disk.read(start, lengthBytes);
    } catch (failure) {
      this.#onFailedRead(failure, { start, end: start + lengthBytes });
      throw failure;
    }
  }

  extents(range: { offsetBytes: Bytes; lengthBytes: Bytes }, limit: number): Promise<ServedExtent[]> {
    return this.#disk.extents({ ...range, offsetBytes: this.#startBytes + range.offsetBytes }, limit);
  }
}
