import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compareRun } from '#lib/cost/difference.ts';
import { estimateRun, type Setup } from '#lib/cost/estimate.ts';
import { charge, describePrices, PricesInvalid, parsePrices, SHIPPED_PRICES } from '#lib/cost/prices.ts';
import { recommend } from '#lib/cost/recommendation.ts';
import { runCost, usageOf } from '#lib/cost/run-cost.ts';
import { sizesOfAllocated, sizesOfPoints, workloadOf } from '#lib/cost/workload.ts';
import { GIB, GRAIN_BYTES, MIB } from '#lib/units.ts';
import { pointOf } from '../report/point-fixture.ts';

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
const plan = { readers: 2, runsPerMonth: 30, kept: 30 };

describe('the workload', () => {
  const day = (seq: number, dataGrains: number) =>
    pointOf({
      vmName: 'web',
      seq,
      time: new Date(2026, 10, seq),
      kind: seq === 1 ? 'full' : 'incremental',
      dataGrains,
      storedBytes: (dataGrains * GRAIN_BYTES) / 4,
    });

  test('is that of the changed blocks where a VM has increments', () => {
    const sizes = sizesOfPoints([day(1, 1000), day(2, 20), day(3, 40)]);
    assert.deepEqual(
      [sizes?.fullBytes, sizes?.incrementBytes, sizes?.storedRatio],
      [1000 * GRAIN_BYTES, 30 * GRAIN_BYTES, 0.25],
    );
    assert.equal(sizesOfPoints([day(1, 1000)]), undefined);
  });

  test('is a share of the allocated bytes where nothing is known, and says that it assumes', () => {
    const sizes = sizesOfAllocated(100 * GIB);
    assert.equal(sizes.incrementBytes, 2 * GIB);
    assert.match(sizes.source, /assumed/);
  });
});

describe('estimate and actual of a run', () => {
  const work = { bytes: 10 * GIB, shards: 3, storedRatio: 0.5 };
  const estimate = estimateRun(SHIPPED_PRICES, setup, work);
  const usage = {
    readers: { gbSeconds: 10 * (1024 / 74.5), calls: 3 },
    stateTransitions: 33,
    puts: 3 * (54 + 3),
    gets: 100,
    storedBytes: 5 * GIB,
  };

  test('are side by side without a word when they agree within 20 %', () => {
    const { estimatedDollars, actualDollars, explanation } = compareRun(estimate, runCost(SHIPPED_PRICES, usage));
    assert.ok(Math.abs(actualDollars / estimatedDollars - 1) < 0.2);
    assert.equal(explanation, undefined);
  });

  test('are explained by the term that differs most when they do not', () => {
    const slow = { ...usage, readers: { gbSeconds: 4 * usage.readers.gbSeconds, calls: 3 } };
    assert.match(compareRun(estimate, runCost(SHIPPED_PRICES, slow)).explanation ?? '', /^mostly readers: \$0\.00/);
  });

  test('the cost of a point is that of its record', () => {
    const point = pointOf({ vmName: 'web', seq: 2, time: new Date(), dataGrains: 16, storedBytes: 1000 });
    const cost = runCost(SHIPPED_PRICES, usageOf(point));
    assert.ok(Math.abs(cost.requests.dollars - (20 * 5e-6 + 30 * 4e-7)) < 1e-12);
    assert.ok(Math.abs(cost.readers.dollars - (60 * 0.0000133334 + 2 * 2e-7)) < 1e-9);
  });
});

describe('prices', () => {
  test('say their age, and from a quarter on that they want refreshing', () => {
    assert.match(describePrices(SHIPPED_PRICES, new Date('2026-10-11')), /of 2026-10-01 \(10 days old\)[^;]*$/);
    assert.match(describePrices(SHIPPED_PRICES, new Date('2027-02-01')), /refresh/);
  });

  test('each have a service code and a usage type', () => {
    for (const price of Object.values(SHIPPED_PRICES.prices)) assert.ok(price.serviceCode && price.usageType);
  });

  test('a charge shows the multiplication that led to it', () => {
    assert.equal(charge(SHIPPED_PRICES, 'standardPut', 104_000).arithmetic, '104,000 request x $0.000005');
  });

  test('a file that lacks one is refused with its name', () => {
    const { standardPut: _, ...rest } = SHIPPED_PRICES.prices;
    assert.throws(
      () => parsePrices({ ...SHIPPED_PRICES, prices: rest }, 'mine.json'),
      (error: Error) => error instanceof PricesInvalid && /mine\.json.*standardPut/.test(error.message),
    );
  });
});

test('every recommendation carries its arithmetic', () => {
  const load = { ...workloadOf(sizesOfAllocated(1024 * GIB), plan), keptDays: 30 };
  const advice = recommend(SHIPPED_PRICES, setup, load);
  assert.deepEqual(
    advice.map(({ setting, value }) => [setting, value]),
    [
      ['readers', '2'],
      ['memory', '1024 MB'],
      ['part size', '16 MiB'],
      ['storage class', 'GLACIER_IR'],
    ],
  );
  for (const { because } of advice) assert.match(because, /\d/);
});
