/** How many threads of this machine decompress and check what a restore fetches. */

import { availableParallelism } from 'node:os';

/** Four threads unpack some 2 GiB/s, more than a network brings. */
const MAX_THREADS = 4;

/** One processor is left to the thread that fetches and writes. */
export function unpackingThreads(): number {
  return Math.min(MAX_THREADS, Math.max(1, availableParallelism() - 1));
}
