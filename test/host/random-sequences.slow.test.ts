import { test } from 'node:test';
import { playSequence, startSequences } from './random-sequences.ts';

const SEQUENCES = 10_000;
/** A simulator keeps what its counters and its journal saw: a new one now and then keeps memory flat. */
const BATCH = 500;

test('ten thousand random lives of a VM end with exact points and a clean host', async (t) => {
  const first = Number(process.env['SEED'] ?? 1);
  t.diagnostic(`seeds ${first} to ${first + SEQUENCES - 1}; SEED=<number> begins elsewhere`);
  for (let batch = first; batch < first + SEQUENCES; batch += BATCH) {
    await using site = await startSequences();
    for (let seed = batch; seed < batch + BATCH; seed++) await playSequence(site, seed);
  }
});
