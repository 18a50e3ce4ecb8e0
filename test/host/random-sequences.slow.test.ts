import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/**
 * A sequence takes 0.14 s of processor time, most of it TLS, HTTP and XML as they are in production: a thousand fit into
 * the runner's limit of a quarter of an hour on a machine that does much else. SEQUENCES=10000 takes twelve minutes of two
 * free cores and more than that limit on busy ones: raise it with --test-timeout.
 */
const SEQUENCES = Number(process.env['SEQUENCES'] ?? 1_000);
/** A sequence waits for its sockets about a seventh of its time: three processes fill two cores. */
const PROCESSES = 3;
const PLAYER = fileURLToPath(new URL('play-sequences.ts', import.meta.url));
/** Most of what a sequence allocates is dead at once; with a larger nursery it never gets older. */
const PLAYER_FLAGS = ['--max-semi-space-size=32'];

test('a thousand random lives of a VM, or as many as asked for, end with exact points and a clean host', async (t) => {
  const first = Number(process.env['SEED'] ?? 1);
  const end = first + SEQUENCES;
  const slice = Math.ceil(SEQUENCES / PROCESSES);
  t.diagnostic(`seeds ${first} to ${end - 1}; SEED=<number> begins elsewhere`);
  const begins = Array.from({ length: PROCESSES }, (_, at) => first + at * slice);
  const codes = await Promise.all(begins.map((begin) => play(begin, Math.min(begin + slice, end))));
  assert.deepEqual(codes, [0, 0, 0], 'a seed failed; what its process printed names it');
});

/** Answers the exit code. The player prints which seeds hold, or the one that does not with its story. */
async function play(begin: number, end: number): Promise<unknown> {
  const player = spawn(process.execPath, [...PLAYER_FLAGS, PLAYER, String(begin), String(end)], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const [code] = await once(player, 'close');
  return code;
}
