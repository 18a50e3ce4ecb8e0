import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

const SEED = 7;
const STEPS = 60;

/** What the model did: every invariant with the number of its checks, and the points committed; the seconds differ. */
function playTrace(): string {
  const args = ['test/model/run.ts', '--seeds', '1', '--first', `${SEED}`, '--steps', `${STEPS}`];
  // So short a trace leaves some invariants untested, which the command rightly ends with 1 for.
  const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  return stdout.replace(/, [\d.]+ s\n$/, '\n');
}

test('a seed repeats its trace exactly: steps, checks and points', () => {
  const first = playTrace();
  assert.match(first, new RegExp(`1 traces of ${STEPS} steps, [1-9]\\d* points committed\\n$`));
  assert.equal(playTrace(), first);
});
