import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const SEQUENCES = Number(process.env['SEQUENCES'] ?? 10_000);
/** A sequence waits for its sockets about a seventh of its time: three processes fill two cores. */
const PROCESSES = 3;
const PLAYER = fileURLToPath(new URL('play-sequences.ts', import.meta.url));
/** Most of what a sequence allocates is dead at once; with a larger nursery it never gets older. */
const PLAYER_FLAGS = ['--max-semi-space-size=32'];

test('ten thousand random lives of a VM, or as many as asked for, end with exact points and a clean host', async (t) => {
  const first = Number(process.env['SEED'] ?? 1);
  const slice = Math.ceil(SEQUENCES / PROCESSES);
  t.diagnostic(`seeds ${first} to ${first + SEQUENCES - 1}; SEED=<number> begins elsewhere`);
  const slices = Array.from({ length: PROCESSES }, (_, at) => first + at * slice);
  const end = first + SEQUENCES;
  const codes = slices.map((begin) => play({ begin, end: Math.min(begin + slice, end) }, (line) => t.diagnostic(line)));
  assert.deepEqual(
    await Promise.all(codes),
    slices.map(() => 0),
    'a seed failed; the output of its process names it',
  );
});

/** Answers the exit code; the failure of a seed appears on the standard error as it happens. */
async function play({ begin, end }: { begin: number; end: number }, told: (line: string) => void): Promise<unknown> {
  const player = spawn(process.execPath, [...PLAYER_FLAGS, PLAYER, String(begin), String(end)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  createInterface({ input: player.stdout }).on('line', told);
  const [code] = await once(player, 'close');
  return code;
}
