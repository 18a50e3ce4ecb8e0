import assert from 'node:assert/strict';
import { test } from 'node:test';
import { carryOutCollection, planCollection } from '#lib/collect/collector.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { listPoints } from '#lib/restore/points.ts';
import { retentionPolicy } from '#lib/retention/policy.ts';
import { carryOutPrune, planPrune } from '#lib/retention/prune.ts';
import { GRAIN_BYTES } from '#lib/units.ts';
import { verifyDisk } from '#lib/verify/verify-disk.ts';
import { LoneDisk } from '../fakes/lone-disk.ts';
import { memoryVersions } from '../fakes/memory-versions.ts';

const DAY_MS = 86_400_000;
const POLICY = retentionPolicy.parse({ keepDaily: 2, keepWithinDays: 1 });

const packReads = ({ bucket }: LoneDisk) =>
  bucket.requests.filter(({ operation, key }) => operation === 'get' && key.endsWith('.zst')).length;

test('invariant 24, cold packs stay cold: a month of backup, prune, collection, list and daily verification reads none', async () => {
  const disk = new LoneDisk();
  const collector = { store: disk.store, versions: memoryVersions(disk.bucket) };
  let content = Buffer.alloc(40 * GRAIN_BYTES, 1);
  let removed = 0;
  for (let day = 0; day < 30; day++) {
    disk.nowMs += DAY_MS;
    content = Buffer.from(content);
    content.fill(day + 2, (day % 40) * GRAIN_BYTES, ((day % 40) + 1) * GRAIN_BYTES);
    await disk.backUp(content);
    await carryOutPrune(disk.store, await planPrune(disk.store, () => POLICY, disk.now), disk.now);
    const plan = await planCollection(collector, disk.disk, disk.now);
    removed += (await carryOutCollection(collector, plan, disk.now)).removed;
    const record = await verifyDisk(disk.store, disk.disk, { level: 1, now: disk.now });
    assert.deepEqual(record?.findings, []);
    assert.ok((await listPoints(disk.store)).length <= 3);
  }
  assert.ok(removed > 0, 'something was collected');
  assert.equal(packReads(disk), 0);
  const packs = disk.bucket.objects.keys(vaultKeys.packs(disk.disk)).length;
  await verifyDisk(disk.store, disk.disk, { level: 2, share: { part: 0, of: 1 }, now: disk.now });
  assert.ok(packReads(disk) > 0 && packs > 0, 'what reads packs is counted');
});
