/** npm run test:model: many traces from consecutive seeds; prints how often each invariant was put to the test. */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { INVARIANTS } from './invariants.ts';
import { runTrace } from './trace.ts';

interface Message {
  readonly points: number;
  readonly checks: readonly (readonly [number, number])[];
  readonly broken?: { readonly invariant: number; readonly message: string; readonly seed: number };
}

/**
 * Traces make many short-lived buffers of megabytes. By default V8 collects all garbage after every few of them, which
 * took 60 % of the time; counted against a heap of this size they let it wait. A process then holds 570 MiB.
 */
const MEMORY_OPTIONS = ['--external-memory-accounted-in-global-limit', '--initial-heap-size=256'];

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    steps: { type: 'string', default: '1000' },
    first: { type: 'string', default: '1' },
    every: { type: 'string' },
    /** Ends with the first trace that breaks an invariant: one is enough to see that a mutation is noticed. */
    'until-broken': { type: 'boolean', default: false },
  },
});
const [first, seeds, steps] = [Number(values.first), Number(values.seeds), Number(values.steps)];

await (values.every === undefined ? overseeTraces() : runOwnTraces(Number(values.every)));

/** A child's part: every n-th seed. */
async function runOwnTraces(every: number): Promise<void> {
  for (let seed = first; seed < first + seeds; seed += every) {
    const { points, checks, violation } = await runTrace(seed, steps);
    const broken = violation && { invariant: violation.invariant, message: violation.message, seed };
    process.send?.({ points, checks: [...checks], ...(broken && { broken }) } satisfies Message);
  }
}

async function overseeTraces(): Promise<void> {
  const started = Date.now();
  const checks = new Map<number, number>();
  const broken = new Map<number, number>();
  let [points, traces] = [0, 0];
  const count = Math.min(availableParallelism(), seeds);
  const children: ChildProcess[] = Array.from({ length: count }, (_, index) => {
    const args = [
      '--seeds',
      `${seeds - index}`,
      '--steps',
      `${steps}`,
      '--first',
      `${first + index}`,
      '--every',
      `${count}`,
    ];
    const child = fork(import.meta.filename, args, {
      execArgv: [...process.execArgv, ...MEMORY_OPTIONS],
    });
    child.on('message', (message: Message) => {
      points += message.points;
      traces += 1;
      for (const [invariant, times] of message.checks) checks.set(invariant, (checks.get(invariant) ?? 0) + times);
      if (message.broken === undefined) return;
      const { invariant, seed, message: text } = message.broken;
      broken.set(invariant, (broken.get(invariant) ?? 0) + 1);
      process.stdout.write(`seed ${seed}: ${text}\n`);
      if (values['until-broken']) for (const other of children) other.kill();
    });
    return child;
  });
  await Promise.all(children.map((child) => once(child, 'close')));
  let untested = 0;
  for (const [number, name] of Object.entries(INVARIANTS)) {
    const times = checks.get(Number(number)) ?? 0;
    if (times === 0) untested += 1;
    const traceCount = broken.get(Number(number));
    const verdict =
      traceCount === undefined ? (times === 0 ? 'NEVER TESTED' : 'holds') : `BROKEN in ${traceCount} traces`;
    process.stdout.write(`${number.padStart(3)}  ${name.padEnd(76)} ${String(times).padStart(9)} checks  ${verdict}\n`);
  }
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${traces} traces of ${steps} steps, ${points} points committed, ${seconds} s\n`);
  if (broken.size > 0 || untested > 0 || traces < seeds) process.exitCode = 1;
}
