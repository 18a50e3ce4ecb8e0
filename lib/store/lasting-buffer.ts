/** Memory that is used over and over. */

import type { Bytes } from '#lib/units.ts';

/**
 * A buffer of shared memory, which V8 does not count as garbage in waiting. Counted, 64 MiB of ring and parts bring the
 * process to the limit beyond which every burst of small buffers starts a full garbage collection: 30 to 130 of them for
 * each GiB, and up to half of a reader's CPU.
 */
export function lastingBuffer(bytes: Bytes): Buffer {
  return Buffer.from(new SharedArrayBuffer(bytes));
}
