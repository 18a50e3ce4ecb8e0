import { test } from 'node:test';
import { playSequence, startSequences } from './random-sequences.ts';

/**
 * One sequence takes a quarter of a second of processor time, most of it TLS and XML as they are in production: a
 * thousand fit into five minutes, SEQUENCES=10000 takes about three quarters of an hour.
 */
const SEQUENCES = Number(process.env['SEQUENCES'] ?? 1_000);
/** A simulator keeps what its counters and its journal saw: a new one now and then keeps memory flat. */
const BATCH = 250;

test('a thousand random lives of a VM, or ten thousand if asked for, end with exact points and a clean host', async (t) => {
  const first = Number(process.env['SEED'] ?? 1);
  t.diagnostic(`seeds ${first} to ${first + SEQUENCES - 1}; SEED=<number> begins elsewhere`);
  for (let batch = first; batch < first + SEQUENCES; batch += BATCH) {
    await using site = await startSequences();
    const end = Math.min(batch + BATCH, first + SEQUENCES);
    for (let seed = batch; seed < end; seed++) await playSequence(site, seed);
  }
});
