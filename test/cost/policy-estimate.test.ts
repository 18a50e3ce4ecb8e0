import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { estimateMonth, type Setup, totalOf } from '#lib/cost/estimate.ts';
import { estimatePolicy } from '#lib/cost/policy-estimate.ts';
import { SHIPPED_PRICES } from '#lib/cost/prices.ts';
import { sizesOfAllocated, workloadOf } from '#lib/cost/workload.ts';
import { GIB, MIB } from '#lib/units.ts';

const setup: Setup = {
  readers: 2,
  memoryMib: 1024,
  partBytes: 16 * MIB,
  storageClass: 'STANDARD',
  linkMibPerSecond: 149,
  link: 'transit-gateway',
  endpoints: 1,
  zones: 1,
};
const load = (gib: number) => workloadOf(sizesOfAllocated(gib * GIB), { readers: 2, runsPerMonth: 30, kept: 30 });
const single = (gib: number) => estimateMonth(SHIPPED_PRICES, setup, { ...load(gib), which: 'first' });

describe('the month of a policy', () => {
  const { vmDollars, total } = estimatePolicy(SHIPPED_PRICES, setup, { loads: [load(100), load(300)], which: 'first' });

  test('pays runs and storage for each VM', () => {
    for (const term of ['storage', 'readers', 'control', 'workflow', 'requests'] as const) {
      const sum = single(100)[term].dollars + single(300)[term].dollars;
      assert.ok(Math.abs(total[term].dollars - sum) < 1e-9, term);
    }
  });

  test('pays key, secret, endpoints, logs and the hours of the link once, and the bytes of the link for all', () => {
    for (const term of ['key', 'secret', 'endpoints', 'watching'] as const) {
      assert.equal(total[term].dollars, single(100)[term].dollars, term);
    }
    const bytesOnly = (gib: number) => single(gib).link.dollars - single(0).link.dollars;
    assert.ok(Math.abs(total.link.dollars - single(0).link.dollars - bytesOnly(100) - bytesOnly(300)) < 1e-9);
  });

  test('says what each VM adds', () => {
    const once = total.key.dollars + total.secret.dollars + total.endpoints.dollars + total.watching.dollars;
    const [small = 0, large = 0] = vmDollars;
    assert.ok(large > small);
    assert.ok(Math.abs(small + large + once + total.link.dollars - totalOf(total)) < 1e-9);
  });
});
