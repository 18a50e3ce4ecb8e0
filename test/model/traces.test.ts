import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { INVARIANTS } from './invariants.ts';
import { runTrace, type TraceReport } from './trace.ts';

/** A taste of `npm run test:model`, which takes minutes: enough to notice a rule that is gone altogether. */
const SEEDS = [1, 2, 3];
const STEPS = 200;
const reports: TraceReport[] = [];

before(async () => {
  for (const seed of SEEDS) reports.push(await runTrace(seed, STEPS));
});

for (const [number, name] of Object.entries(INVARIANTS)) {
  test(`invariant ${number}, ${name}: holds in every trace`, () => {
    const broken = reports.filter(({ violation }) => violation?.invariant === Number(number));
    assert.deepEqual(
      broken.map(({ seed, violation }) => `seed ${seed}: ${violation?.message}`),
      [],
    );
    const checks = reports.flatMap((report) => [...report.checks]).filter(([tested]) => tested === Number(number));
    assert.ok(
      checks.some(([, times]) => times > 0),
      'was never put to the test',
    );
  });
}
