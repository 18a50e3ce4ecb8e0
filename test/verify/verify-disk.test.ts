import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDocument } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { verification } from '#lib/format/verification.ts';
import { GRAIN_BYTES } from '#lib/units.ts';
import { type Level, shareOfDay, verifyDisk } from '#lib/verify/verify-disk.ts';
import { LoneDisk } from '../fakes/lone-disk.ts';

const DAY_MS = 86_400_000;

/** Two points; nine packs of 2 MiB of disk each in the first. */
async function ninePacks(): Promise<LoneDisk> {
  const disk = new LoneDisk();
  const content = Buffer.alloc(9 * 32 * GRAIN_BYTES);
  for (let grain = 0; grain < 9 * 32; grain++)
    content.fill((grain % 250) + 1, grain * GRAIN_BYTES, (grain + 1) * GRAIN_BYTES);
  await disk.backUp(content);
  disk.nowMs += DAY_MS;
  const next = Buffer.from(content);
  next.fill(255, 0, GRAIN_BYTES);
  await disk.backUp(next);
  disk.bucket.requests.length = 0;
  return disk;
}

async function verify(disk: LoneDisk, level: Level) {
  const record = await verifyDisk(disk.store, disk.disk, { ...level, now: disk.now });
  assert.ok(record);
  return record;
}

const packReads = (disk: LoneDisk) =>
  disk.bucket.requests.filter(({ operation, key }) => operation === 'get' && key.endsWith('.zst')).length;

test('each verification leaves a dated record of its level and scope', async () => {
  const disk = await ninePacks();
  for (const level of [1, 2, 3] as const) {
    const record = await verify(disk, level === 2 ? { level, share: { part: 0, of: 1 } } : levelOf(level));
    const key = vaultKeys.verification(disk.disk, record);
    assert.match(key, new RegExp(`/verified/20260106T120000Z-${level}\\.json$`));
    const stored = parseDocument(verification, await disk.store.get(key), key);
    assert.deepEqual(stored, record);
    assert.deepEqual(stored.findings, []);
    assert.equal(stored.head.seq, 2);
  }
});

const levelOf = (level: 1 | 3): Level => (level === 1 ? { level } : { level, seq: 'newest' });

test('invariant 24, cold packs stay cold: daily verification reads no pack', async () => {
  const disk = await ninePacks();
  const { scope } = await verify(disk, { level: 1 });
  assert.deepEqual(scope, { points: [1, 2], packs: 10, readBytes: 0 });
  assert.equal(packReads(disk), 0);
});

test('the rotation reads every pack once in as many days as there are shares', async () => {
  const disk = await ninePacks();
  let packs = 0;
  const parts = new Set<number>();
  for (let day = 0; day < 5; day++) {
    const share = shareOfDay(disk.now, 5);
    const { scope } = await verify(disk, { level: 2, share });
    parts.add(share.part);
    packs += scope.packs;
    disk.nowMs += DAY_MS;
  }
  assert.equal(parts.size, 5);
  assert.equal(packs, 10);
  const read = disk.bucket.requests.filter(({ operation, key }) => operation === 'get' && key.endsWith('.zst'));
  assert.equal(new Set(read.map(({ key }) => key)).size, 10);
});

test('level 2 finds what listings cannot show: a pack whose content changed without its size', async () => {
  const disk = await ninePacks();
  const key = disk.bucket.objects.keys(vaultKeys.packs(disk.disk)).find((name) => bytesOf(disk, name) > 500) ?? '';
  const body = Buffer.from(disk.bucket.objects.current(key)!.body);
  body[30]! ^= 1;
  disk.bucket.objects.vanish(key);
  disk.bucket.objects.write(key, body);
  assert.deepEqual((await verify(disk, { level: 1 })).findings, []);
  const { findings } = await verify(disk, { level: 2, share: { part: 0, of: 1 } });
  assert.deepEqual(
    findings.map(({ key: found, points }) => ({ found, points })),
    [{ found: key, points: [1, 2] }],
  );
  assert.equal(disk.bucket.objects.keys(vaultKeys.damages(disk.disk)).length, 1, 'the next run is told');
  assert.equal((await verify(disk, { level: 3, seq: 'newest' })).findings.length, 1);
});

test('the drill reads on past damage, names every damaged pack with its points, and the next run is told', async () => {
  const disk = await ninePacks();
  const packs = disk.bucket.objects.keys(vaultKeys.packs(disk.disk)).filter((name) => bytesOf(disk, name) > 500);
  const [cut = '', gone = ''] = packs;
  disk.bucket.objects.tamper(cut, (body) => body.fill(0, 20, 60));
  disk.bucket.objects.vanish(gone);
  const { findings, scope } = await verify(disk, { level: 3, seq: 2 });
  assert.deepEqual(findings.map(({ key, points }) => ({ key, points })).sort(byKey), [
    { key: cut, points: [1, 2] },
    { key: gone, points: [1, 2] },
  ]);
  assert.ok(scope.readBytes > 6 * 32 * GRAIN_BYTES, `${scope.readBytes} bytes were read all the same`);
  assert.equal(disk.bucket.objects.keys(vaultKeys.damages(disk.disk)).length, 2);
});

const byKey = (a: { key: string }, b: { key: string }) => (a.key < b.key ? -1 : 1);

const bytesOf = (disk: LoneDisk, key: string) => disk.bucket.objects.current(key)?.body.length ?? 0;

test('a point that restores only with an index rebuilt from its pack has a finding that says so', async () => {
  const disk = await ninePacks();
  const [index = ''] = disk.bucket.objects.keys(vaultKeys.indexes(disk.disk));
  disk.bucket.objects.vanish(index);
  const { findings } = await verify(disk, { level: 3, seq: 2 });
  assert.deepEqual(
    findings.map(({ key, points }) => ({ key, points })),
    [{ key: index, points: [2] }],
  );
  assert.match(findings[0]?.what ?? '', /was rebuilt from its pack/);
});

test('a lost pack index counts as damage of its pack, since a backup needs it', async () => {
  const disk = await ninePacks();
  const [index = ''] = disk.bucket.objects.keys(vaultKeys.indexes(disk.disk));
  disk.bucket.objects.vanish(index);
  const { findings } = await verify(disk, { level: 1 });
  assert.deepEqual(
    findings.map(({ key, what }) => ({ key, what })),
    [{ key: index, what: 'is gone' }],
  );
  assert.equal(disk.bucket.objects.keys(vaultKeys.damages(disk.disk)).length, 1);
});

test('a broken manifest is a finding of its point, and the other points are still looked at', async () => {
  const disk = await ninePacks();
  const [manifest = ''] = disk.bucket.objects.keys(vaultKeys.manifests(disk.disk));
  disk.bucket.objects.vanish(manifest);
  const { findings, scope } = await verify(disk, { level: 1 });
  assert.deepEqual(
    findings.map(({ key, points }) => ({ key, points })),
    [{ key: manifest, points: [1] }],
  );
  assert.deepEqual(scope.points, [2]);
});

test('a disk without points has nothing to verify', async () => {
  const disk = new LoneDisk();
  assert.equal(await verifyDisk(disk.store, disk.disk, { level: 1, now: disk.now }), undefined);
});
