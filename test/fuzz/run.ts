/**
 * Fuzzes every parser, or those named, each in a process of its own: `npm run fuzz -- [--inputs N] [--seed N] [--write] [--missing] [parser ...]`.
 * With --write the row of each parser goes into docs/reliability.md when it is done; --missing plays only those without a row
 * of as many inputs, so that a campaign of hours can be ended and begun again. Ends with 1 if any parser crashed, hung, leaked
 * or took too much memory; the others are played all the same.
 */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { MIB } from '#lib/units.ts';
import { readSection, writeSection } from '../faults/reliability-page.ts';
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
/**
 * A player tells of itself every 256 inputs: five minutes of silence are a parser that does not come back. They are counted by
 * looks, because time passes for a campaign that is stopped (SIGSTOP) too, and looks do not.
 */
const LOOK_MS = 10_000;
const SILENT_LOOKS = 30;

type Figures = Extract<PlayerMessage, { kind: 'done' }>;

const HEAD = [
  '| parser | bytes come from | inputs | inputs/s | refused | kinds of outcome | slowest | heap growth | peak memory |',
  '|---|---|---|---|---|---|---|---|---|',
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    inputs: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    write: { type: 'boolean', default: false },
    missing: { type: 'boolean', default: false },
  },
});
const written = new Map((await readSection('fuzz')).flatMap((line) => rowOf(line) ?? []));
const named = positionals.length === 0 ? TARGETS : positionals.map(targetOf);
const chosen = named.filter(isWanted);

console.log(`${values.inputs} inputs for each of ${chosen.length} parsers, seed ${values.seed}`);
for (const target of chosen) {
  try {
    const line = row(target, await play(target));
    console.log(line);
    if (values.write) await writeRow(target.name, line);
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  }
}

function targetOf(name: string): FuzzTarget {
  const target = TARGETS.find((candidate) => candidate.name === name);
  if (target === undefined) throw new Error(`choose from ${TARGETS.map((candidate) => candidate.name).join(', ')}`);
  return target;
}

function isWanted({ name }: FuzzTarget): boolean {
  const played = Number(written.get(name)?.split(' | ')[2]?.replaceAll(',', '') ?? 0);
  return !values.missing || played < Number(values.inputs);
}

/** A line of the page's table by the parser it is about. */
function rowOf(line: string): [string, string][] | undefined {
  const [, name = ''] = /^\| ([a-z0-9-]+) \|/.exec(line) ?? [];
  return TARGETS.some((target) => target.name === name) ? [[name, line]] : undefined;
}

async function writeRow(name: string, line: string): Promise<void> {
  written.set(name, line);
  await writeSection('fuzz', [...HEAD, ...TARGETS.flatMap((target) => written.get(target.name) ?? [])]);
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
  let silentLooks = 0;
  const looks = setInterval(() => {
    if (++silentLooks < SILENT_LOOKS) return;
    console.error(`${target.name} hangs between input ${reached} and ${reached + 256} of seed ${values.seed}`);
    child.kill('SIGKILL');
  }, LOOK_MS);
  child.on('message', (message: PlayerMessage) => {
    silentLooks = 0;
    if (message.kind === 'done') figures = message;
    else reached = message.inputs;
  });
  const [code, signal] = await once(child, 'exit');
  clearInterval(looks);
  if (figures === undefined) throw new Error(`${target.name} ended with ${signal ?? code}, seed ${values.seed}`);
  assertBounds(target, figures);
  return figures;
}

function assertBounds({ name }: FuzzTarget, { peakRssBytes, heapGrowthBytes }: Figures): void {
  if (peakRssBytes > RSS_LIMIT_BYTES) throw new Error(`${name} took ${Math.round(peakRssBytes / MIB)} MiB`);
  if (heapGrowthBytes > HEAP_GROWTH_LIMIT_BYTES)
    throw new Error(`${name} keeps ${heapGrowthBytes} bytes more at its end`);
}
