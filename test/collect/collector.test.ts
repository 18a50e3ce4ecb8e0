import assert from 'node:assert/strict';
import { test } from 'node:test';
import { carryOutCollection, planCollection } from '#lib/collect/collector.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { parseManifestHeader } from '#lib/format/manifest.ts';
import { VaultAccessDenied } from '#lib/store/failures.ts';
import { GRAIN_BYTES } from '#lib/units.ts';
import { letGo } from '#lib/vault/expiries.ts';
import { LoneDisk } from '../fakes/lone-disk.ts';
import { memoryVersions, type VersionHooks } from '../fakes/memory-versions.ts';

const DAY_MS = 86_400_000;

/** Three points; the first pack of the first point is wholly replaced by the second. */
async function threePoints(): Promise<LoneDisk> {
  const disk = new LoneDisk();
  for (const value of [1, 2, 3]) {
    disk.nowMs += DAY_MS;
    await disk.backUp(Buffer.alloc(4 * GRAIN_BYTES, value));
  }
  return disk;
}

const portsOf = (disk: LoneDisk, hooks?: VersionHooks) => ({
  store: disk.store,
  versions: memoryVersions(disk.bucket, hooks),
});

async function collect(disk: LoneDisk, hooks?: VersionHooks) {
  const ports = portsOf(disk, hooks);
  return carryOutCollection(ports, await planCollection(ports, disk.disk, disk.now), disk.now);
}

const expire = (disk: LoneDisk, seq: number) =>
  letGo(disk.store, { disk: disk.disk, seq, time: disk.now, because: 'test' });

test('what a point needed is taken away when it was let go, 21 days have passed, and nothing before', async () => {
  const disk = await threePoints();
  await expire(disk, 1);
  assert.equal((await collect(disk)).removed, 0);
  disk.nowMs += 20 * DAY_MS;
  assert.equal((await planCollection(portsOf(disk), disk.disk, disk.now)).remove.length, 3, 'pack, index, manifest');
  disk.nowMs += 2 * DAY_MS;
  assert.equal((await collect(disk)).removed, 3);
  assert.equal((await collect(disk)).removed, 0, 'a second time there is nothing left to do');
  for (const seq of [2, 3]) assert.ok((await disk.restore(seq)).equals(disk.contents[seq - 1]!));
});

test('a point that was let go can be read for seven more days', async () => {
  const disk = await threePoints();
  disk.nowMs += 60 * DAY_MS;
  await expire(disk, 1);
  disk.nowMs += 6 * DAY_MS;
  assert.equal((await collect(disk)).removed, 0);
  assert.ok((await disk.restore(1)).equals(disk.contents[0]!));
  disk.nowMs += 2 * DAY_MS;
  assert.equal((await collect(disk)).removed, 3);
});

test('orphans of dead runs go, with all their versions and delete markers', async () => {
  const disk = await threePoints();
  const orphan = `${vaultKeys.packs(disk.disk)}00000000000000aa/000000000000000000000000000000aa.zst`;
  await disk.store.put(orphan, Buffer.alloc(10));
  await disk.store.put(orphan, Buffer.alloc(20));
  await disk.store.delete(orphan);
  disk.nowMs += 22 * DAY_MS;
  assert.deepEqual(await collect(disk), { removed: 3, bytes: 30, held: [] });
  assert.deepEqual(disk.bucket.objects.versions(orphan), []);
});

test('older versions of what a point needs are left alone: one of them may be the right one', async () => {
  const disk = await threePoints();
  const [pack = ''] = disk.bucket.objects.keys(vaultKeys.packs(disk.disk));
  disk.bucket.objects.write(pack, Buffer.alloc(3));
  disk.bucket.objects.delete(pack);
  disk.nowMs += 60 * DAY_MS;
  assert.equal((await collect(disk)).removed, 0);
  assert.equal(disk.bucket.objects.versions(pack).length, 3);
});

test('invariant 26, least privilege: the collection is planned without a right to the key of the vault', async () => {
  const disk = await threePoints();
  await expire(disk, 1);
  disk.nowMs += 22 * DAY_MS;
  const { objects } = disk.bucket;
  const withoutKey = disk.bucket.store({
    before({ operation, key }) {
      const isForbidden = operation === 'get' && objects.current(key)?.encryption !== 'store-key';
      if (isForbidden) throw new VaultAccessDenied(`get of ${key}: it is under the key of the vault`);
    },
  });
  await assert.rejects(disk.restore(3, withoutKey), VaultAccessDenied, 'packs and their indexes are under that key');
  const ports = { ...portsOf(disk), store: withoutKey };
  const plan = await planCollection(ports, disk.disk, disk.now);
  assert.equal((await carryOutCollection(ports, plan, disk.now)).removed, 3);
});

for (const [what, harm] of [
  ['a ledger entry is damaged', (disk: LoneDisk) => flip(disk, vaultKeys.ledgerEntry(disk.disk, 2))],
  ['a ledger entry is missing', (disk: LoneDisk) => disk.bucket.objects.vanish(vaultKeys.ledgerEntry(disk.disk, 2))],
  ['a manifest is missing', (disk: LoneDisk) => disk.bucket.objects.vanish(manifestOf(disk))],
  ['a manifest header is damaged', (disk: LoneDisk) => flip(disk, manifestOf(disk))],
  ['an expiry is damaged', (disk: LoneDisk) => flip(disk, vaultKeys.expiry(disk.disk, 1))],
  [
    'a foreign object lies among the packs',
    (disk: LoneDisk) => disk.bucket.objects.write(`${vaultKeys.packs(disk.disk)}notes.txt`, Buffer.alloc(1)),
  ],
] as const) {
  test(`nothing is deleted when ${what}`, async () => {
    const disk = await threePoints();
    await expire(disk, 1);
    disk.nowMs += 60 * DAY_MS;
    harm(disk);
    const before = disk.bucket.objects.allVersions('').length;
    await assert.rejects(collect(disk), { name: 'CollectionStopped' });
    assert.equal(disk.bucket.objects.allVersions('').length, before);
  });
}

function manifestOf(disk: LoneDisk): string {
  return disk.bucket.objects.keys(vaultKeys.manifests(disk.disk))[2] ?? '';
}

function flip(disk: LoneDisk, key: string): void {
  const body = Buffer.from(disk.bucket.objects.current(key)!.body);
  body[20]! ^= 1;
  disk.bucket.objects.vanish(key);
  disk.bucket.objects.write(key, body);
}

test('the ledger is read again before deleting: a plan that it does not bear out any more is not carried out', async () => {
  const disk = await threePoints();
  await expire(disk, 1);
  disk.nowMs += 60 * DAY_MS;
  const plan = await planCollection(portsOf(disk), disk.disk, disk.now);
  disk.bucket.objects.vanish(vaultKeys.expiry(disk.disk, 1));
  await assert.rejects(carryOutCollection(portsOf(disk), plan, disk.now), { name: 'CollectionStopped' });
  assert.ok((await disk.restore(1)).equals(disk.contents[0]!));
});

test('a locked object waits until its day, which the plan tells; the others go', async () => {
  const disk = await threePoints();
  await expire(disk, 1);
  disk.nowMs += 60 * DAY_MS;
  const until = new Date(disk.nowMs + DAY_MS);
  const [pack] = lockPacks(disk, until);
  const { locked } = await planCollection(portsOf(disk), disk.disk, disk.now);
  assert.deepEqual(
    locked.map(({ version, until: told }) => [version.key, told]),
    [[pack, until]],
  );
  assert.deepEqual(await collect(disk).then(({ removed, held }) => ({ removed, held })), { removed: 2, held: [] });
  disk.nowMs += DAY_MS;
  assert.equal((await collect(disk)).removed, 1);
});

test('an object that is locked after the plan was made, or by who may not be asked, is reported and the others go', async () => {
  const disk = await threePoints();
  await expire(disk, 1);
  disk.nowMs += 60 * DAY_MS;
  const [pack] = lockPacks(disk, new Date(disk.nowMs + DAY_MS));
  const refused = () => Promise.reject(new VaultAccessDenied('who may not ask for retentions'));
  const ports = { store: disk.store, versions: { ...memoryVersions(disk.bucket), lockOf: refused } };
  const plan = await planCollection(ports, disk.disk, disk.now);
  assert.deepEqual(plan.locked, []);
  const { removed, held } = await carryOutCollection(ports, plan, disk.now);
  assert.equal(removed, 2);
  assert.deepEqual(held, [pack]);
});

/** Locks every pack; answers with their keys in order. */
function lockPacks(disk: LoneDisk, until: Date): string[] {
  const packs = disk.bucket.objects.allVersions(vaultKeys.packs(disk.disk));
  for (const { version } of packs) if (version.kind === 'object') version.lock = { mode: 'GOVERNANCE', until };
  const [first] = disk.bucket.objects.versions(disk.bucket.objects.keys(vaultKeys.manifests(disk.disk))[0] ?? '');
  const run = first?.kind === 'object' ? parseManifestHeader(first.body, 'the oldest').run : '';
  return packs.map(({ key }) => key).filter((key) => key.includes(run));
}

test('invariants 24 and 26: the collector reads no pack, no index and no section', async () => {
  const disk = await threePoints();
  await expire(disk, 1);
  disk.nowMs += 60 * DAY_MS;
  disk.bucket.requests.length = 0;
  await collect(disk);
  const read = disk.bucket.requests.filter(({ operation }) => operation === 'get').map(({ key }) => key);
  assert.deepEqual(
    read.filter((key) => !/\/(ledger|expired|manifests)\//.test(key)),
    [],
  );
});
