import assert from 'node:assert/strict';
import { test } from 'node:test';
import { vaultKeys } from '#lib/format/keys.ts';
import { listPoints } from '#lib/restore/points.ts';
import { retentionPolicy } from '#lib/retention/policy.ts';
import { carryOutPrune, planPrune } from '#lib/retention/prune.ts';
import { GRAIN_BYTES } from '#lib/units.ts';
import { letGo } from '#lib/vault/expiries.ts';
import { LoneDisk } from '../fakes/lone-disk.ts';

const DAY_MS = 86_400_000;
const POLICY = retentionPolicy.parse({ keepDaily: 2, keepWithinDays: 1 });
const MANY = retentionPolicy.parse({ keepDaily: 100 });

/** A point a day; each day one grain of eight gets new content. */
async function daily(days: number): Promise<LoneDisk> {
  const disk = new LoneDisk();
  let content = Buffer.alloc(8 * GRAIN_BYTES, 1);
  for (let day = 0; day < days; day++) {
    disk.nowMs += DAY_MS;
    content = Buffer.from(content);
    content.fill(day + 2, (day % 8) * GRAIN_BYTES, ((day % 8) + 1) * GRAIN_BYTES);
    await disk.backUp(content);
  }
  return disk;
}

test('prune lets go what no rule keeps, and what stays restores', async () => {
  const disk = await daily(5);
  const plan = await planPrune(disk.store, () => POLICY, disk.now);
  assert.deepEqual(
    plan.decisions.map(({ keep }) => keep),
    [false, false, false, true, true],
  );
  assert.deepEqual(await carryOutPrune(disk.store, plan, disk.now), { points: 3, entries: 3 });
  assert.equal((await listPoints(disk.store)).length, 2);
  for (const seq of [4, 5]) assert.ok((await disk.restore(seq)).equals(disk.contents[seq - 1]!), `point ${seq}`);
  assert.deepEqual(await carryOutPrune(disk.store, await planPrune(disk.store, () => POLICY, disk.now), disk.now), {
    points: 0,
    entries: 0,
  });
});

test('a plan alone changes nothing, and says how many bytes come free', async () => {
  const disk = await daily(12);
  const before = disk.bucket.objects.keys();
  const { freedBytes } = await planPrune(disk.store, () => POLICY, disk.now);
  assert.deepEqual(disk.bucket.objects.keys(), before);
  // Points 1 to 10 go. Their manifests do, and the packs of days whose grain was written again by point 11 at the latest.
  const sizes = (keys: readonly string[]) =>
    keys.reduce((sum, key) => sum + (disk.bucket.objects.current(key)?.body.length ?? 0), 0);
  const manifests = disk.bucket.objects.keys(vaultKeys.manifests(disk.disk)).slice(0, 10);
  assert.ok(freedBytes > sizes(manifests), `${freedBytes} bytes`);
  assert.ok(freedBytes < sizes(before));
});

test('a prune that died half way is finished by the next', async () => {
  const disk = await daily(4);
  const because = 'restore point: no rule keeps it';
  await letGo(disk.store, { disk: disk.disk, seq: 1, time: disk.now, because });
  const plan = await planPrune(disk.store, () => MANY, disk.now);
  const going = plan.decisions.filter(({ keep }) => !keep);
  assert.deepEqual(
    going.map(({ reasons }) => reasons),
    [['was being let go when that was interrupted']],
  );
  await carryOutPrune(disk.store, plan, disk.now);
  assert.equal((await listPoints(disk.store)).length, 3);
});

test('should all restore points be lost, the disks go on being kept by the rules', async () => {
  const disk = await daily(5);
  for (const key of disk.bucket.objects.keys('vms/')) disk.bucket.objects.vanish(key);
  const { decisions, unnamed } = await planPrune(disk.store, () => POLICY, disk.now);
  assert.deepEqual(decisions, []);
  assert.deepEqual(
    unnamed.map(({ seq }) => seq),
    [1, 2, 3],
  );
});

test('invariant 12, head protection: nobody lets the newest point go, nor one that is not there', async () => {
  const disk = await daily(2);
  const request = { disk: disk.disk, time: disk.now, because: 'a mistake' };
  assert.equal(await letGo(disk.store, { ...request, seq: 2 }), 'is-newest');
  await assert.rejects(letGo(disk.store, { ...request, seq: 3 }), { name: 'DamagedObject' });
  assert.equal(await letGo(disk.store, { ...request, seq: 1 }), 'let-go');
  assert.equal(await letGo(disk.store, { ...request, seq: 1, because: 'another mistake' }), 'already-let-go');
});

test('invariant 24, cold packs stay cold: prune reads no pack', async () => {
  const disk = await daily(5);
  disk.bucket.requests.length = 0;
  await carryOutPrune(disk.store, await planPrune(disk.store, () => POLICY, disk.now), disk.now);
  const reads = disk.bucket.requests.filter(({ operation, key }) => operation === 'get' && key.endsWith('.zst'));
  assert.deepEqual(reads, []);
});

test('a point whose lock goes on stays, with the day as the reason, and goes when the lock has ended', async () => {
  const disk = await daily(5);
  const until = new Date(disk.nowMs + 10 * DAY_MS);
  const [first = ''] = disk.bucket.objects.keys(vaultKeys.points(disk.vm));
  await disk.store.extendLock(first, { mode: 'GOVERNANCE', until });
  const { decisions } = await planPrune(disk.store, () => POLICY, disk.now);
  assert.deepEqual(
    decisions.map(({ keep }) => keep),
    [true, false, false, true, true],
  );
  assert.deepEqual(decisions[0]?.reasons, [`locked until ${until.toISOString()}`]);
  disk.nowMs = until.getTime();
  const later = await planPrune(disk.store, () => POLICY, disk.now);
  assert.equal(later.decisions[0]?.keep, false);
});
