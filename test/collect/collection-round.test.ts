import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planRound, removeVersions } from '#lib/collect/collection-round.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { GRAIN_BYTES, parseDiskId } from '#lib/units.ts';
import { letGo } from '#lib/vault/expiries.ts';
import { LoneDisk } from '../fakes/lone-disk.ts';
import { memoryVersions } from '../fakes/memory-versions.ts';

const DAY_MS = 86_400_000;
const MOST_VERSIONS = 250;

/** Two disks in one vault; the first points were let go 60 days ago. */
async function twoOldDisks(): Promise<LoneDisk[]> {
  const first = new LoneDisk();
  const other = new LoneDisk({
    bucket: first.bucket,
    disk: parseDiskId('d15c0000-0000-4000-8000-00000000000b'),
    seed: 2,
  });
  for (const disk of [first, other]) {
    for (const value of [1, 2]) await disk.backUp(Buffer.alloc(4 * GRAIN_BYTES, value));
    await letGo(disk.store, { disk: disk.disk, seq: 1, time: disk.now, because: 'test' });
  }
  first.nowMs += 60 * DAY_MS;
  return [first, other];
}

function round(disk: LoneDisk, after = '', lateFrom = Number.POSITIVE_INFINITY) {
  let looks = 0;
  const clock = { ...disk.clock, now: () => (++looks > lateFrom ? new Date(8e15) : disk.now) };
  return planRound(
    {
      store: disk.store,
      versions: memoryVersions(disk.bucket),
      clock,
      deadline: new Date(7e15),
      mostVersions: MOST_VERSIONS,
    },
    after,
  );
}

const remove = (disk: LoneDisk, named: Parameters<typeof removeVersions>[1]) =>
  removeVersions(memoryVersions(disk.bucket), named, disk.now);

test('one round names what goes of every disk, and the remover takes exactly that away', async () => {
  const [disk = assert.fail(), other = assert.fail()] = await twoOldDisks();
  const { remove: named, more, stopped } = await round(disk);
  assert.deepEqual([named.length, more, stopped], [6, false, []], 'pack, index and manifest of each disk');
  assert.equal((await remove(disk, named)).removed, 6);
  for (const each of [disk, other]) assert.ok((await each.restore(2)).equals(each.contents[1]!));
  assert.deepEqual((await round(disk)).remove, []);
});

test('a second removal of the same round finds nothing to remove', async () => {
  const [disk = assert.fail()] = await twoOldDisks();
  const { remove: named } = await round(disk);
  await remove(disk, named);
  assert.deepEqual(await remove(disk, named), { removed: 0, bytes: 0, held: 0 });
});

test('what does not fit into a round is left to the next, and no version is named by two rounds', async () => {
  const [disk = assert.fail()] = await twoOldDisks();
  for (let orphan = 0; orphan < 600; orphan++) {
    const id = orphan.toString(16).padStart(32, '0');
    disk.bucket.objects.write(`${vaultKeys.packs(disk.disk)}00000000000000aa/${id}.zst`, Buffer.alloc(1));
  }
  disk.nowMs += 60 * DAY_MS;
  const seen = new Set<string>();
  let after = '';
  for (let rounds = 1; ; rounds++) {
    const { remove: named, ...next } = await round(disk, after);
    assert.ok(named.length <= MOST_VERSIONS);
    for (const { key, versionId } of named) {
      assert.ok(!seen.has(`${key} ${versionId}`));
      seen.add(`${key} ${versionId}`);
    }
    await remove(disk, named);
    after = next.after;
    if (next.more) continue;
    assert.deepEqual([seen.size, rounds], [606, 3]);
    return;
  }
});

test('rounds go on behind versions that stayed, so that locks cannot keep them turning', async () => {
  const [disk = assert.fail()] = await twoOldDisks();
  for (let orphan = 0; orphan < 300; orphan++) {
    const id = orphan.toString(16).padStart(32, '0');
    disk.bucket.objects.write(`${vaultKeys.packs(disk.disk)}00000000000000aa/${id}.zst`, Buffer.alloc(1));
  }
  disk.nowMs += 60 * DAY_MS;
  const first = await round(disk);
  const second = await round(disk, first.after);
  assert.deepEqual([first.remove.length, first.more, second.remove.length, second.more], [250, true, 56, false]);
});

test('a planner whose time is used up hands over after a whole disk', async () => {
  const [disk = assert.fail(), other = assert.fail()] = await twoOldDisks();
  const { remove: named, more, after } = await round(disk, '', 1);
  assert.deepEqual([named.length, more], [3, true]);
  const second = await round(disk, after);
  assert.ok(second.remove.every(({ key }) => key.startsWith(`disks/${other.disk}/`)));
  assert.equal(second.more, false);
});

test('a disk whose ledger is damaged loses nothing and does not hold up the others', async () => {
  const [disk = assert.fail(), other = assert.fail()] = await twoOldDisks();
  disk.bucket.objects.vanish(vaultKeys.ledgerEntry(disk.disk, 1));
  const { remove: named, stopped } = await round(disk);
  assert.deepEqual(stopped, [disk.disk]);
  assert.ok(named.length === 3 && named.every(({ key }) => key.includes(other.disk)));
});

test('the remover refuses what is not on the positive list, and deletes nothing of such a round', async () => {
  const [disk = assert.fail()] = await twoOldDisks();
  const { remove: named } = await round(disk);
  const before = disk.bucket.objects.allVersions('').length;
  for (const key of [vaultKeys.ledgerEntry(disk.disk, 1), vaultKeys.expiry(disk.disk, 1), 'vault.json']) {
    const refused = remove(disk, [...named, { key, versionId: 'any' }]);
    await assert.rejects(refused, { name: 'CollectionStopped', message: /not among what the collector may/ });
  }
  assert.equal(disk.bucket.objects.allVersions('').length, before);
});

test('the remover refuses what is too young, whatever the round says', async () => {
  const [disk = assert.fail()] = await twoOldDisks();
  const young = `${vaultKeys.packs(disk.disk)}00000000000000aa/${'b'.repeat(32)}.zst`;
  disk.bucket.objects.write(young, Buffer.alloc(1));
  const [{ versionId } = assert.fail()] = disk.bucket.objects.versions(young);
  await assert.rejects(remove(disk, [{ key: young, versionId }]), { message: /too young/ });
  assert.equal(disk.bucket.objects.versions(young).length, 1);
});

test('a locked version is counted and the others go', async () => {
  const [disk = assert.fail()] = await twoOldDisks();
  const { remove: named } = await round(disk);
  const until = new Date(disk.nowMs + DAY_MS);
  for (const { key } of named.filter(({ key }) => key.endsWith('.zst'))) {
    await disk.store.extendLock(key, { mode: 'GOVERNANCE', until });
  }
  const { removed, held } = await remove(disk, named);
  assert.deepEqual([removed, held], [4, 2]);
});

test('the remover reads no object', async () => {
  const [disk = assert.fail()] = await twoOldDisks();
  const { remove: named } = await round(disk);
  disk.bucket.requests.length = 0;
  await remove(disk, named);
  assert.deepEqual(
    disk.bucket.requests.filter(({ operation }) => operation === 'get' || operation === 'head'),
    [],
  );
});
