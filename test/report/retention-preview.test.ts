import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { SHIPPED_PRICES } from '#lib/cost/prices.ts';
import { type PointFacts, readHistories } from '#lib/report/history.ts';
import { freedBytes, lettingGo, ManifestHeaders } from '#lib/report/retention-preview.ts';
import { retentionPolicy } from '#lib/retention/policy.ts';
import { planPrune } from '#lib/retention/prune.ts';
import { GRAIN_BYTES, MIB } from '#lib/units.ts';
import { LoneSite } from '../fakes/lone-site.ts';

const DAY_MS = 86_400_000;
const KEEP_ONE = retentionPolicy.parse({ keepLast: 1, keepWithinDays: 1 });
const POINTS = 5;

describe('what retention will let go', () => {
  let site: LoneSite;
  let points: readonly PointFacts[];

  before(async () => {
    site = await LoneSite.start();
    const vm = await site.sim.addVm({ name: 'web', disks: [{ bytes: randomBytes(MIB) }, { bytes: randomBytes(MIB) }] });
    for (let run = 0; run < POINTS; run++) {
      // Every run overwrites some of what the ones before wrote, and leaves some.
      for (const vdi of vm.vdis) site.sim.write(vdi, run * GRAIN_BYTES, randomBytes(3 * GRAIN_BYTES));
      await site.backUp(vm.uuid);
    }
    for await (const { history } of readHistories(site.store, { prices: SHIPPED_PRICES, storageClass: 'STANDARD' })) {
      points = history?.points ?? assert.fail();
    }
  });
  after(() => site[Symbol.asyncDispose]());

  const headers = (limit = 100) => new ManifestHeaders(site.store, limit);

  test('frees exactly what prune says that it frees', async () => {
    const later = new Date(Date.now() + 30 * DAY_MS);
    const plan = await planPrune(site.store, () => KEEP_ONE, later);
    const going = points.slice(0, -1);
    assert.equal(plan.decisions.filter(({ keep }) => !keep).length, going.length);
    assert.ok(plan.freedBytes > 0);
    assert.equal(await freedBytes(headers(), points, going), plan.freedBytes);
  });

  test('frees less when a neighbour stays that still uses the packs of those that go', async () => {
    const [first = assert.fail(), second = assert.fail(), third = assert.fail()] = points;
    const all = await freedBytes(headers(), points, [first, second, third]);
    const around = await freedBytes(headers(), points, [first, third]);
    assert.ok((around ?? 0) < (all ?? 0), `${around} of ${all}`);
  });

  test('is not told exactly when that would take more manifests than may be read', async () => {
    assert.equal(await freedBytes(headers(3), points, points.slice(0, -1)), undefined);
    assert.equal(await freedBytes(headers(0), points, []), 0);
  });

  test('counts what the points of the coming week push out', () => {
    const now = new Date('2026-11-21T12:00:00Z');
    const daily = Array.from({ length: 20 }, (_, index) => ({
      ...(points[0] ?? assert.fail()),
      name: `day ${index}`,
      time: new Date(now.getTime() - (20 - index) * DAY_MS),
    }));
    const going = lettingGo(daily, retentionPolicy.parse({ keepDaily: 14, keepWithinDays: 1 }), now);
    // The newest point will be a week ahead: of the 14 days before its end, 8 are to come or have no point yet.
    assert.equal(going.length, 14);
    assert.equal(going.at(-1)?.name, 'day 13');
  });
});
