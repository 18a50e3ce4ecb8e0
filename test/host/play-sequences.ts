/** A process of its own that plays the sequences of the seeds [first, end): `node play-sequences.ts FIRST END`. */

import { playSequence, startSequences } from './random-sequences.ts';

/** A simulator keeps what its counters and its journal saw: a new one now and then keeps memory flat. */
const BATCH = 250;

const [first = 0, end = 0] = process.argv.slice(2).map(Number);
for (let batch = first; batch < end; batch += BATCH) {
  await using site = await startSequences();
  const batchEnd = Math.min(batch + BATCH, end);
  for (let seed = batch; seed < batchEnd; seed++) await playSequence(site, seed);
  console.log(`seeds ${batch} to ${batchEnd - 1} hold`);
}
