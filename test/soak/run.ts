/**
 * `npm run soak -- --hours N [--seed N]`: lives of a vault, lives of a VM and traces of the model, one after another from
 * consecutive seeds, until the time is up or something differs. What differs ends it with the seed that shows it.
 */

import { parseArgs } from 'node:util';
import { MIB } from '#lib/units.ts';
import type { LoneSite } from '../fakes/lone-site.ts';
import { playSequence, startSequences } from '../host/random-sequences.ts';
import { runTrace } from '../model/trace.ts';
import { type LifeFigures, SoakLife } from './soak-life.ts';

const HOUR_MS = 3_600_000;
/** A simulator keeps what its counters saw: a new one now and then, so that growth of memory is ours. */
const LIVES_OF_A_SITE = 25;
const TRACE_STEPS = 200;
const REPORT_EVERY_MS = 60_000;

const { values } = parseArgs({
  options: {
    hours: { type: 'string', default: '1' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
const started = performance.now();
const endMs = started + Number(values.hours) * HOUR_MS;
const total = { committed: 0, failed: 0, died: 0, restored: 0, letGo: 0, collected: 0 };
let lives = 0;
let seed = Number(values.seed);
let reportedMs = started;

try {
  while (performance.now() < endMs) {
    // A pool for each kind of life: what one leaves as bases is no leftover of the other.
    await using vaults = await startSequences();
    await using machines = await startSequences();
    for (let life = 0; life < LIVES_OF_A_SITE && performance.now() < endMs; life++, seed++) {
      await playSeed(vaults, machines);
    }
  }
  report();
} catch (difference) {
  console.error(difference);
  console.error(`seed ${seed} shows a difference: npm run soak -- --hours 0.01 --seed ${seed}`);
  process.exitCode = 1;
}

async function playSeed(vaults: LoneSite, machines: LoneSite): Promise<void> {
  const life = new SoakLife(vaults, seed);
  try {
    await life.play();
  } catch (cause) {
    throw new Error(`seed ${seed}: ${life.story.join(', ')}`, { cause });
  }
  addUp(life.figures);
  await playSequence(machines, seed);
  const { violation } = await runTrace(seed, TRACE_STEPS);
  if (violation !== undefined) throw new Error(`seed ${seed} of the model: ${violation.message}`, { cause: violation });
  lives += 1;
  if (performance.now() - reportedMs > REPORT_EVERY_MS) report();
}

function addUp(figures: LifeFigures): void {
  total.committed += figures.committed;
  total.failed += figures.failed;
  total.died += figures.died;
  total.restored += figures.restored;
  total.letGo += figures.letGo;
  total.collected += figures.collected;
}

function report(): void {
  reportedMs = performance.now();
  const { committed, failed, died, restored, letGo, collected } = total;
  const minutes = ((reportedMs - started) / 60_000).toFixed(1);
  const { heapUsed, rss } = process.memoryUsage();
  console.log(
    `${minutes} min, seeds ${values.seed} to ${seed}: ${lives} lives, ${committed} runs committed, ${failed} failed, ${died} died, ` +
      `${restored} restores equal, ${letGo} points let go, ${collected} objects collected; heap ${Math.round(heapUsed / MIB)} MiB, ${Math.round(rss / MIB)} MiB in all`,
  );
}
