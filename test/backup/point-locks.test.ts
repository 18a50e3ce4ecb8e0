import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commitPoint } from '#lib/backup/commit-point.ts';
import { carryOutCollection, planCollection } from '#lib/collect/collector.ts';
import { GrainBitmap } from '#lib/format/grain-bitmap.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { listPoints } from '#lib/restore/points.ts';
import { keptUntil } from '#lib/retention/kept-until.ts';
import { retentionPolicy } from '#lib/retention/policy.ts';
import { carryOutPrune, planPrune } from '#lib/retention/prune.ts';
import type { LockMode } from '#lib/store/object-lock.ts';
import { GRAIN_BYTES, parseRunId } from '#lib/units.ts';
import { readEntry } from '#lib/vault/ledger.ts';
import { ManifestReader } from '#lib/vault/manifest-reader.ts';
import { LoneDisk } from '../fakes/lone-disk.ts';
import { memoryVersions } from '../fakes/memory-versions.ts';
import { seededRandom } from '../fakes/random.ts';
import { Crashed, crashAt } from '../fakes/store-faults.ts';

const DAY_MS = 86_400_000;
const RULES = { keepDaily: 5, keepWeekly: 3, keepMonthly: 2, keepWithinDays: 2 };
const POLICY = retentionPolicy.parse(RULES);

const lockedDisk = (mode: LockMode = 'GOVERNANCE', retention: Record<string, number> = RULES) =>
  new LoneDisk({ lock: { mode, retention } });

const lockOf = (disk: LoneDisk, key: string) => disk.bucket.objects.current(key)?.lock;
const extensions = (disk: LoneDisk) =>
  disk.bucket.requests.filter(({ operation }) => operation === 'extendLock').length;

/** Keys of everything that a restore of the point reads, and of the point itself. */
async function objectsOf(disk: LoneDisk, seq: number, pointKey: string): Promise<string[]> {
  const { entry } = await readEntry(disk.store, { disk: disk.disk, seq });
  const { header } = await ManifestReader.open(disk.store, entry.manifest);
  const packs = header.packs.flatMap((pack) => [vaultKeys.pack(disk.disk, pack), vaultKeys.packIndex(disk.disk, pack)]);
  return [...packs, entry.manifest.key, vaultKeys.ledgerEntry(disk.disk, seq), pointKey];
}

for (const mode of ['GOVERNANCE', 'COMPLIANCE'] as const) {
  test(`${mode}: whatever a point consists of is locked when it is written, for as long as every point stays`, async () => {
    const disk = lockedDisk(mode);
    await disk.backUp(Buffer.alloc(8 * GRAIN_BYTES, 1));
    const [named] = await listPoints(disk.store);
    const keys = await objectsOf(disk, 1, vaultKeys.point(disk.vm, named!.point));
    assert.equal(keys.length, 5);
    for (const key of keys) {
      const lock = lockOf(disk, key);
      assert.equal(lock?.mode, mode, key);
      const days = (lock.until.getTime() - disk.nowMs) / DAY_MS;
      if (key.includes('/ledger/'))
        assert.ok(days > 30, 'an entry is locked for the longest time that a point can stay');
      else assert.equal(days, 2, key);
    }
    assert.equal(extensions(disk), 0, 'locked at creation, not afterwards');
  });
}

test('a vault without Object Lock is asked for no lock', async () => {
  const disk = new LoneDisk();
  await disk.backUp(Buffer.alloc(GRAIN_BYTES, 1));
  await disk.backUp(Buffer.alloc(GRAIN_BYTES, 2));
  assert.equal(extensions(disk), 0);
  assert.ok(disk.bucket.objects.keys().every((key) => lockOf(disk, key) === undefined));
});

test('a commit moves out the locks of old packs that the new point uses, and not again while they are late enough', async () => {
  const disk = lockedDisk('GOVERNANCE', { keepWithinDays: 8 });
  const content = Buffer.alloc(8 * GRAIN_BYTES, 1);
  await disk.backUp(content);
  const [pack = ''] = disk.bucket.objects.keys(vaultKeys.packs(disk.disk));
  const [index = ''] = disk.bucket.objects.keys(vaultKeys.indexes(disk.disk));
  const untilDays = (key: string) => ((lockOf(disk, key)?.until.getTime() ?? 0) - disk.nowMs) / DAY_MS;
  const counts: number[] = [];
  for (let day = 1; day <= 4; day++) {
    disk.nowMs += DAY_MS;
    const next = Buffer.from(content);
    next.fill(day + 1, 0, GRAIN_BYTES);
    const before = extensions(disk);
    await disk.backUp(next);
    counts.push(extensions(disk) - before);
    assert.ok(untilDays(pack) >= 8 && untilDays(index) >= 8, `day ${day}: ${untilDays(pack)} days`);
  }
  // A quarter of eight days is held in reserve. One old pack and its index are still in use on each day.
  assert.deepEqual(counts, [2, 0, 0, 2]);
});

test('invariant 13, lock cover: after every commit everything of every point is locked as long as the point is certain to stay', async () => {
  const random = seededRandom(13);
  const disk = lockedDisk();
  const seen = new Map<string, number>();
  let content = Buffer.alloc(24 * GRAIN_BYTES, 1);
  for (let run = 0; run < 40; run++) {
    disk.nowMs += Math.floor((0.3 + random() * 1.4) * DAY_MS);
    content = Buffer.from(content);
    for (let i = 0; i < 3; i++)
      content.fill(1 + Math.floor(random() * 250), Math.floor(random() * 24) * GRAIN_BYTES, content.length);
    await disk.backUp(content);
    const points = await listPoints(disk.store);
    const ends = keptUntil(
      points.map(({ point }) => point.time),
      POLICY,
      disk.now,
    );
    for (const [i, { point }] of points.entries()) {
      for (const key of await objectsOf(disk, point.disks[0]!.seq, vaultKeys.point(point.vm, point))) {
        const until = lockOf(disk, key)?.until ?? new Date(0);
        assert.ok(
          until >= ends[i]! || ends[i]! <= disk.now,
          `run ${run}: ${key} is locked until ${until.toISOString()} only`,
        );
      }
    }
    for (const key of disk.bucket.objects.keys()) {
      const untilMs = lockOf(disk, key)?.until.getTime() ?? 0;
      assert.ok(untilMs >= (seen.get(key) ?? 0), `the lock of ${key} was shortened`);
      seen.set(key, untilMs);
    }
    await carryOutPrune(disk.store, await planPrune(disk.store, () => POLICY, disk.now), disk.now);
    const ports = { store: disk.store, versions: memoryVersions(disk.bucket) };
    const collected = await carryOutCollection(ports, await planCollection(ports, disk.disk, disk.now), disk.now);
    assert.deepEqual(collected.held, [], 'what is locked is not even tried');
  }
  const left = (await listPoints(disk.store)).length;
  assert.ok(left >= 6 && left <= 12, `${left} points are left by the rules`);
});

test('a commit that dies anywhere locks everything when it is repeated', async () => {
  const content = Buffer.alloc(4 * GRAIN_BYTES, 1);
  for (let call = 0; ; call++) {
    const disk = lockedDisk();
    await disk.backUp(content);
    disk.nowMs += DAY_MS;
    const run = parseRunId('00000000000000a1');
    const planned = new GrainBitmap(4);
    planned.add(0);
    const shape = { planned, rewrites: undefined, shardGrains: 32 };
    const next = Buffer.from(content).fill(2, 0, GRAIN_BYTES);
    await disk.plan(run, next, shape);
    await disk.read(run, next, shape);
    const dying = commitPoint({ store: disk.bucket.store(crashAt(call, 'after')), clock: disk.clock }, run);
    const death = await dying.then(() => undefined).catch((failure: Error) => failure);
    assert.ok(death === undefined || death instanceof Crashed, String(death));
    await commitPoint({ store: disk.store, clock: disk.clock }, run);
    const points = await listPoints(disk.store);
    const ends = keptUntil(
      points.map(({ point }) => point.time),
      POLICY,
      disk.now,
    );
    assert.equal(points.length, 2);
    for (const [i, { point }] of points.entries()) {
      for (const key of await objectsOf(disk, i + 1, vaultKeys.point(point.vm, point))) {
        assert.ok(lockOf(disk, key)!.until >= ends[i]!, `death at call ${call}: ${key}`);
      }
    }
    if (death === undefined) return;
  }
});

test('an older point whose manifest is lost does not end the runs that come after', async () => {
  const disk = lockedDisk();
  await disk.backUp(Buffer.alloc(GRAIN_BYTES, 1));
  disk.nowMs += DAY_MS;
  await disk.backUp(Buffer.alloc(GRAIN_BYTES, 2));
  disk.bucket.objects.vanish(disk.bucket.objects.keys(vaultKeys.manifests(disk.disk))[0]!);
  disk.nowMs += DAY_MS;
  await disk.backUp(Buffer.alloc(GRAIN_BYTES, 3));
  assert.equal((await listPoints(disk.store)).length, 3);
});

test('a lost pack index does not keep its pack from being locked, nor the run from its point', async () => {
  const disk = lockedDisk();
  await disk.backUp(Buffer.alloc(2 * GRAIN_BYTES, 1));
  const [pack = ''] = disk.bucket.objects.keys(vaultKeys.packs(disk.disk));
  disk.bucket.objects.vanish(disk.bucket.objects.keys(vaultKeys.indexes(disk.disk))[0]!);
  disk.nowMs += DAY_MS;
  const planned = new GrainBitmap(3);
  planned.add(2);
  await disk.backUp(Buffer.concat([Buffer.alloc(2 * GRAIN_BYTES, 1), Buffer.alloc(GRAIN_BYTES, 2)]), { planned });
  assert.ok(lockOf(disk, pack)!.until.getTime() >= disk.nowMs + 2 * DAY_MS);
});

test('invariant 24, cold packs stay cold: locking reads no pack', async () => {
  const disk = lockedDisk();
  for (let day = 0; day < 4; day++) {
    await disk.backUp(Buffer.alloc(4 * GRAIN_BYTES, day + 1));
    disk.nowMs += DAY_MS;
  }
  const read = disk.bucket.requests.filter(({ operation, key }) => operation === 'get' && key.endsWith('.zst'));
  assert.ok(extensions(disk) > 0);
  assert.deepEqual(read, []);
});
