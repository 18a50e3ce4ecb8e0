import { test } from 'node:test';
import { playSequence, startSequences } from './random-sequences.ts';

/** A tenth of a second each on an idle machine. */
const SEQUENCES = 20;

test('after random lives of a VM every committed point restores exactly and the host is clean', async (t) => {
  await using site = await startSequences();
  const first = Date.now() % 1_000_000;
  t.diagnostic(`seeds ${first} to ${first + SEQUENCES - 1}`);
  for (let seed = first; seed < first + SEQUENCES; seed++) await playSequence(site, seed);
});

test('the sequence of seed 2202, whose moved disk was reverted to a snapshot on its old storage, ends clean', async () => {
  await using site = await startSequences();
  await playSequence(site, 2202, 'at the store');
});

/** Each of these ended with something left on the host, or spared, before the code learnt of it. */
for (const seed of [6, 50, 64, 20_470]) {
  test(`the sequence of seed ${seed}, which once left something behind, ends clean`, async () => {
    await using site = await startSequences();
    await playSequence(site, seed, 'at the store');
  });
}
