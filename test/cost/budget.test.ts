import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { BudgetExceeded, keepBudget, passedBudgets } from '#lib/cost/budget.ts';
import { estimateMonth, type Setup } from '#lib/cost/estimate.ts';
import { expectedRun } from '#lib/cost/expected-run.ts';
import { SHIPPED_PRICES } from '#lib/cost/prices.ts';
import { READER_MEMORY_MIB } from '#lib/cost/readers.ts';
import { sizesOfAllocated, workloadOf } from '#lib/cost/workload.ts';
import { GIB, MIB } from '#lib/units.ts';
import { readShard } from '#lib/workflow/read-shard.ts';
import { pointOf } from '../report/point-fixture.ts';

const NOW = new Date('2026-11-21T12:00:00Z');
const DAY_MS = 86_400_000;
const setup: Setup = {
  readers: 2,
  memoryMib: 1024,
  partBytes: 32 * MIB,
  storageClass: 'STANDARD',
  linkMibPerSecond: 149,
  link: 'none',
  endpoints: 0,
  zones: 1,
};
const month = (changes: Partial<Setup> = {}) =>
  estimateMonth(
    SHIPPED_PRICES,
    { ...setup, ...changes },
    { ...workloadOf(sizesOfAllocated(1024 * GIB), { readers: 2, runsPerMonth: 30, kept: 30 }), which: 'steady' },
  );
const warn = (limits: { perRun?: number; perMonth?: number }) => ({ ...limits, onExceed: 'warn' as const });

describe('a budget', () => {
  test('is kept while the month costs no more', () => {
    assert.deepEqual(passedBudgets(warn({ perMonth: 100 }), { run: {}, month: month() }), []);
  });

  test('that is passed says by how much, because of what, and which setting helps', () => {
    const [sentence = ''] = passedBudgets(warn({ perMonth: 10 }), { run: {}, month: month() });
    assert.match(sentence, /^A month .*more than the budget of \$10\.00.*storage with \$.*vault\.storageClass/);
  });

  test('names the setting of the term that is largest', () => {
    const spending = { run: {}, month: month({ link: 'transit-gateway' }) };
    assert.match(passedBudgets(warn({ perMonth: 10 }), spending)[0] ?? '', /largest part is link/);
  });

  test('of a run and of a month are judged each for itself', () => {
    const dear = { readers: { dollars: 2, arithmetic: '' } };
    const sentences = passedBudgets(warn({ perRun: 1, perMonth: 1 }), { run: dear, month: dear });
    assert.deepEqual(
      sentences.map((sentence) => sentence.split(' will ')[0]),
      ['The run', 'A month'],
    );
  });

  test('that says warn hands the sentence on, one that says stop throws it, and a kept one does neither', () => {
    assert.equal(keepBudget({ onExceed: 'warn' }, 'too much.'), 'too much.');
    assert.equal(keepBudget({ onExceed: 'stop' }, ''), '');
    const thrown = (error: Error) => error instanceof BudgetExceeded && /too much.*Nothing was/.test(error.message);
    assert.throws(() => keepBudget({ onExceed: 'stop' }, 'too much.'), thrown);
    assert.equal(BudgetExceeded.transient, false);
  });
});

describe('what a run is expected to cost', () => {
  const planned = { plannedBytes: 10 * GIB, shards: 5, readers: 2, storageClass: 'STANDARD' } as const;
  const day = (daysAgo: number, seq: number) =>
    pointOf({
      vmName: 'web',
      seq,
      time: new Date(NOW.getTime() - daysAgo * DAY_MS),
      dataGrains: 16_384,
      storedBytes: GIB / 4,
    });
  const expected = (points: ReturnType<typeof day>[]) => expectedRun(SHIPPED_PRICES, planned, { points, now: NOW });

  test('uses the speed of the readers of the VM as it was, and that of Lambda before there is any', () => {
    // A GiB in 60 s of reader time: 17.07 MiB/s, so that 10 GiB take 600 s.
    assert.ok(Math.abs((expected([day(1, 1)]).run.readers?.dollars ?? 0) - 600 * 0.0000133334) < 1e-6);
    assert.ok(Math.abs((expected([]).run.readers?.dollars ?? 0) - (10_240 / 74.5) * 0.0000133334) < 1e-5);
  });

  test('counts in its month the runs of 30 days and the storage of every point', () => {
    const { month: total } = expected([day(40, 1), day(1, 2)]);
    // Two points of 0.25 GiB, and 10 GiB of which a quarter is left.
    assert.ok(Math.abs((total.storage?.dollars ?? 0) - 3 * 0.023) < 1e-9);
    assert.ok(Math.abs((total.readers?.dollars ?? 0) - 660 * 0.0000133334) < 1e-5);
  });

  test('takes the memory that read-shard has', () => {
    assert.equal(READER_MEMORY_MIB, readShard.memoryMib);
  });
});
