/**
 * Fuzzes every parser, or those named, each in a process of its own: `npm run fuzz -- [--inputs N] [--seed N] [--write] [parser ...]`.
 * With --write the figures go into docs/reliability.md. Ends with 1 at the first crash, hang, leak or overdraft of memory.
 */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { MIB } from '#lib/units.ts';
import { writeSection } from '../faults/reliability-page.ts';
import type { PlayerMessage } from './player.ts';
import type { FuzzTarget } from './target.ts';
import { TARGETS } from './targets/all.ts';

const PLAYER = fileURLToPath(new URL('player.ts', import.meta.url));
/** The largest input has 384 KiB and makes some ten times as much: V8 ends a player that keeps more. */
const HEAP_LIMIT_MIB = 96;
/** Node itself with all parsers loaded takes 130 MiB before the first input. */
const RSS_LIMIT_BYTES = 384 * MIB;
/** What a process learns about its code while it runs; a leak of one byte for each of a million inputs is less. */
const HEAP_GROWTH_LIMIT_BYTES = 4 * MIB;
/** A player tells of itself every 256 inputs: silence is a parser that does not come back. */
const SILENCE_LIMIT_MS = 300_000;

type Figures = Extract<PlayerMessage, { kind: 'done' }>;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    inputs: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    write: { type: 'boolean', default: false },
  },
});
const chosen = TARGETS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
if (chosen.length === 0) throw new Error(`choose from ${TARGETS.map(({ name }) => name).join(', ')}`);

console.log(`${values.inputs} inputs for each of ${chosen.length} parsers, seed ${values.seed}`);
const rows: string[] = [];
for (const target of chosen) {
  const figures = await play(target);
  rows.push(row(target, figures));
  console.log(rows.at(-1));
}
if (values.write) {
  const head =
    '| parser | bytes come from | inputs | inputs/s | refused | kinds of outcome | slowest | heap growth | peak memory |';
  await writeSection('fuzz', [head, '|---|---|---|---|---|---|---|---|---|', ...rows]);
}

function row({ name, from }: FuzzTarget, figures: Figures): string {
  const cells = [
    name,
    from,
    figures.inputs.toLocaleString('en'),
    figures.inputsPerSecond.toLocaleString('en'),
    `${Math.round(figures.refusedShare * 100)} %`,
    figures.outcomes,
    `${figures.slowestMs.toFixed(1)} ms`,
    `${(Math.max(0, figures.heapGrowthBytes) / MIB).toFixed(1)} MiB`,
    `${Math.round(figures.peakRssBytes / MIB)} MiB`,
  ];
  return `| ${cells.join(' | ')} |`;
}

async function play(target: FuzzTarget): Promise<Figures> {
  const child = fork(PLAYER, [target.name, values.inputs, values.seed], {
    execArgv: [`--max-old-space-size=${HEAP_LIMIT_MIB}`, '--expose-gc'],
  });
  let figures: Figures | undefined;
  let reached = 0;
  const hung = () => {
    console.error(`${target.name} hangs between input ${reached} and ${reached + 256} of seed ${values.seed}`);
    child.kill('SIGKILL');
  };
  let silence = setTimeout(hung, SILENCE_LIMIT_MS);
  child.on('message', (message: PlayerMessage) => {
    clearTimeout(silence);
    if (message.kind === 'done') figures = message;
    else {
      reached = message.inputs;
      silence = setTimeout(hung, SILENCE_LIMIT_MS);
    }
  });
  const [code, signal] = await once(child, 'exit');
  clearTimeout(silence);
  if (figures === undefined) throw new Error(`${target.name} ended with ${signal ?? code}, seed ${values.seed}`);
  assertBounds(target, figures);
  return figures;
}

function assertBounds({ name }: FuzzTarget, { peakRssBytes, heapGrowthBytes }: Figures): void {
  if (peakRssBytes > RSS_LIMIT_BYTES) throw new Error(`${name} took ${Math.round(peakRssBytes / MIB)} MiB`);
  if (heapGrowthBytes > HEAP_GROWTH_LIMIT_BYTES)
    throw new Error(`${name} keeps ${heapGrowthBytes} bytes more at its end`);
}
