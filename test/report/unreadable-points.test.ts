import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SHIPPED_PRICES } from '#lib/cost/prices.ts';
import { encodeDocument } from '#lib/format/document.ts';
import type { VmPoint } from '#lib/format/point.ts';
import { writeReport } from '#lib/report/write-report.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { MemoryBucket } from '../fakes/memory-store.ts';
import { encodePoint, keyOf, pointOf } from './point-fixture.ts';

const NOW = new Date('2026-11-21T12:00:00Z');
const HOUR_MS = 3_600_000;

function point(vmName: string, seq: number): VmPoint {
  const time = new Date(NOW.getTime() - (10 - seq) * HOUR_MS);
  return pointOf({ vmName, seq, time, dataGrains: 10, storedBytes: 1_000_000 });
}

async function bucketOf(...points: readonly VmPoint[]): Promise<MemoryBucket> {
  const bucket = new MemoryBucket();
  for (const each of points) await bucket.store().put(keyOf(each), encodePoint(each));
  return bucket;
}

const vaultOf = async (...points: readonly VmPoint[]) => (await bucketOf(...points)).store();

function report(store: ObjectStore) {
  return writeReport(store, {
    now: NOW,
    vault: 's3://vault/',
    objectiveMs: 24 * HOUR_MS,
    prices: SHIPPED_PRICES,
    storageClass: 'STANDARD',
  });
}

/** The part of the page from `id` to its end. */
const part = (page: string, id: string) => new RegExp(`<section id="${id}">.*?</section>`, 's').exec(page)?.[0] ?? '';

describe('a restore point that cannot be read', () => {
  test('is named with what is wrong, and every other point is in the report', async () => {
    const cut = point('web', 2);
    const store = await vaultOf(point('web', 1), cut, point('web', 3), point('database', 1));
    await store.put(keyOf(cut), encodePoint(cut).subarray(0, 100));
    const { page, fleet } = await report(store);
    assert.deepEqual(fleet.vms.map(({ name, pointCount }) => [name, pointCount]).sort(), [
      ['database', 1],
      ['web', 2],
    ]);
    assert.ok(part(page, 'unreadable').includes(keyOf(cut)));
    assert.match(part(page, 'unreadable'), /is not JSON/);
    assert.match(page, /<a href="#unreadable">1 restore point that cannot be read<\/a>/);
    assert.doesNotMatch(page, /Every VM has a point/);
  });

  test('is named when its VM has no other, so that the VM is not forgotten', async () => {
    const only = point('web', 1);
    const store = await vaultOf(only, point('database', 1));
    await store.put(keyOf(only), Buffer.from('{}'));
    const { page, fleet } = await report(store);
    assert.deepEqual(
      fleet.vms.map(({ name }) => name),
      ['database'],
    );
    assert.ok(part(page, 'unreadable').includes(keyOf(only)));
    assert.match(page, /<p class="verdict late">1 restore point cannot be read\.<\/p>/);
  });

  test('because a newer version wrote it is named likewise', async () => {
    const newer = point('web', 1);
    const store = await vaultOf(newer, point('database', 1));
    await store.put(keyOf(newer), encodeDocument({ ...newer, requires: ['teleport'] }));
    assert.match(part((await report(store)).page, 'unreadable'), /teleport/);
  });

  test('because retention let it go while the report read the vault is not spoken of', async () => {
    const gone = point('web', 1);
    const bucket = await bucketOf(gone, point('web', 2));
    const letGo = bucket.store({
      before: ({ operation }) => (operation === 'get' ? bucket.store().delete(keyOf(gone)) : undefined),
    });
    const { page, fleet } = await report(letGo);
    assert.deepEqual([part(page, 'unreadable'), fleet.vms[0]?.pointCount], ['', 1]);
  });
});

test('a store that cannot be reached fails the report, instead of showing a vault without points', async () => {
  const bucket = await bucketOf(point('web', 1));
  const store = bucket.store({ choose: ({ operation }) => (operation === 'get' ? 'unavailable' : undefined) });
  await assert.rejects(report(store), { name: 'VaultUnavailable' });
});
