/** State transitions of a backup run, counted from the shape of its workflow: a test plays runs and counts them. */

/** backup, snapshot-disks and -done, split-extents, anything-changed, commit-point, point-committed, committed, ... */
const AROUND_READERS = 12;
/** The map itself; a run without changes goes past it. */
const MAP = 1;
/** read-shard and shard-done. */
const EACH_CALL = 2;
/** shard-read. */
const EACH_SHARD = 1;

/** Of a run that never waits for its host and tries nothing again; each wait adds three, each further try one. */
export function runTransitions({ shards, readerCalls }: { shards: number; readerCalls: number }): number {
  return AROUND_READERS + (shards > 0 ? MAP : 0) + EACH_CALL * readerCalls + EACH_SHARD * shards;
}
