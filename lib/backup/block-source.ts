/** Where the blocks of a disk come from: an NBD connection, or an array in a test. */

import type { Bytes } from '#lib/units.ts';

export interface BlockSource {
  /** Size of what is exported: that of the snapshot. */
  readonly exportBytes: Bytes;
  /** Fills `target` from `offsetBytes` on; many calls may be under way at once. */
  readInto(offsetBytes: Bytes, target: Buffer): Promise<void>;
  close(): Promise<void>;
}
