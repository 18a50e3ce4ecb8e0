/** How many VHD files a disk is made of: each snapshot adds one, and the host takes it away hours after the snapshot went. */

import type { VdiRecord } from './vdi.ts';

/** The storage manager takes no snapshot of a disk that has this many (MAX_CHAIN_SIZE in sm's vhdutil). */
const HOST_LIMIT_FILES = 30;

/**
 * With one file less than the limit a snapshot would succeed and be the last: the host shortens the chain of a running
 * VM with the help of a snapshot of its own.
 */
export const CHAIN_REFUSED_FILES = HOST_LIMIT_FILES - 1;

type Link = Pick<VdiRecord, 'smConfig'>;

/** The disk's own file and its parents, which are VDIs as well, though hidden ones; 30 stands for all longer chains. */
export async function countChainFiles(disk: Link, find: (uuid: string) => Promise<Link | undefined>): Promise<number> {
  let files = 1;
  let parent = disk.smConfig['vhd-parent'];
  // The bound is also one against a ring in a damaged database.
  while (parent !== undefined && files < HOST_LIMIT_FILES) {
    files += 1;
    parent = (await find(parent))?.smConfig['vhd-parent'];
  }
  return files;
}
