/** Where the blocks of a disk come from: an NBD connection, or an array in a test. */

import type { HostCheck } from '#lib/format/receipt.ts';
import type { Bytes } from '#lib/units.ts';

export interface BlockSource {
  /** Size of what is exported: that of the snapshot. */
  readonly exportBytes: Bytes;
  /** How the host proved who it is; undefined where there is no host. */
  readonly hostCheck?: HostCheck;
  /** Fills `target` from `offsetBytes` on; many calls may be under way at once. */
  readInto(offsetBytes: Bytes, target: Buffer): Promise<void>;
  close(): Promise<void>;
}
