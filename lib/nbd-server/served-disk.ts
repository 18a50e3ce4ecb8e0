/** What a disk has to be for this server: the port behind which the vault is. */

import type { ExportFacts, ServedExtent } from './protocol.ts';

export interface ServedDisk extends ExportFacts {
  /** The bytes of a range that lies within the disk, in pieces; holes are zeros. The pieces are not to be changed. */
  read(offsetBytes: number, lengthBytes: number): Promise<readonly Buffer[]>;

  /** The range as runs of data and holes, at most `limit` of them; together they may then be shorter than the range. */
  extents(range: { offsetBytes: number; lengthBytes: number }, limit: number): Promise<ServedExtent[]>;
}
