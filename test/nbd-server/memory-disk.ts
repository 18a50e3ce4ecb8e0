/** A disk in memory behind the server's port. */

import type { ServedExtent } from '#lib/nbd-server/protocol.ts';
import type { ServedDisk } from '#lib/nbd-server/served-disk.ts';

export class MemoryDisk implements ServedDisk {
  readonly name: string;
  readonly description = 'a disk in memory';
  readonly content: Buffer;

  constructor(name: string, content: Buffer) {
    this.name = name;
    this.content = content;
  }

  get diskBytes(): number {
    return this.content.length;
  }

  read(offsetBytes: number, lengthBytes: number): Promise<readonly Buffer[]> {
    return Promise.resolve([this.content.subarray(offsetBytes, offsetBytes + lengthBytes)]);
  }

  extents({ lengthBytes }: { lengthBytes: number }): Promise<ServedExtent[]> {
    return Promise.resolve([{ bytes: lengthBytes, hole: false }]);
  }
}
