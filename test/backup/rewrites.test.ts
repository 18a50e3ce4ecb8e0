import assert from 'node:assert/strict';
import { test } from 'node:test';
import { choosePacksToRewrite, planRewrites } from '#lib/backup/rewrites.ts';
import { GrainBitmap } from '#lib/format/grain-bitmap.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { PackEntry } from '#lib/format/manifest.ts';
import { GRAIN_BYTES, grainsCovering, type PackId, parsePackId, parseRunId, parseSha256 } from '#lib/units.ts';
import { readHead } from '#lib/vault/ledger.ts';
import { ManifestReader } from '#lib/vault/manifest-reader.ts';
import { verifyDisk } from '#lib/verify/verify-disk.ts';
import { changedGrains, LoneDisk } from '../fakes/lone-disk.ts';

function pack(no: number, live: number, grains = 16_384): PackEntry {
  return {
    no,
    run: parseRunId('00000000000000aa'),
    pack: parsePackId(no.toString(16).padStart(32, '0')),
    bytes: 1,
    crc32: 1,
    frames: 1,
    grains,
    live,
    indexBytes: 1,
    indexSha256: parseSha256('0'.repeat(64)),
  };
}

function chosen(packs: readonly PackEntry[], more: Partial<Parameters<typeof choosePacksToRewrite>[0]> = {}): number[] {
  const none: ReadonlySet<PackId> = new Set();
  const choice = { packs, damaged: none, changedGrains: 100_000, storageClass: undefined, ...more };
  return choosePacksToRewrite(choice).map(({ no }) => no);
}

test('packs of which less than a fifth is live are rewritten, the emptiest first', () => {
  assert.deepEqual(chosen([pack(1, 16_000), pack(2, 3_000), pack(3, 1_000), pack(4, 3_300)]), [3, 2]);
});

test('a run copies no more than changed anyway; what does not fit waits for the next', () => {
  assert.deepEqual(chosen([pack(2, 3_000), pack(3, 1_000)], { changedGrains: 1_500 }), [3]);
  assert.deepEqual(chosen([pack(2, 3_000)], { changedGrains: 0 }), []);
});

test('packs whose dead grains are not worth a run are left alone', () => {
  assert.deepEqual(chosen([pack(1, 0, 1_023), pack(2, 10, 2_000)]), [2]);
});

test('in classes with a minimum duration only nearly empty packs are rewritten', () => {
  for (const storageClass of ['STANDARD_IA', 'GLACIER_IR'] as const) {
    assert.deepEqual(chosen([pack(1, 3_000), pack(2, 1_000)], { storageClass }), [2]);
  }
});

test('a damaged pack is rewritten whatever it takes', () => {
  const damaged = new Set([pack(1, 16_000).pack]);
  assert.deepEqual(chosen([pack(1, 16_000), pack(2, 16_000)], { damaged, changedGrains: 0 }), [1]);
});

/** The next run of a disk as the host's comparison begins it: planned are the changed grains and what is rewritten. */
async function nextRun(disk: LoneDisk, content: Buffer): Promise<void> {
  const head = await readHead(disk.store, disk.disk);
  assert.ok(head);
  const planned = changedGrains(disk.contents.at(-1), content);
  const base = await ManifestReader.open(disk.store, head.entry.manifest);
  const rewrites = await planRewrites(disk.store, base, { planned, storageClass: undefined });
  await disk.backUp(content, { planned, rewrites });
}

test('a damaged pack names its points, and the next run reads its grains from the source again', async () => {
  const disk = new LoneDisk();
  const content = Buffer.alloc(40 * GRAIN_BYTES);
  for (let grain = 0; grain < 40; grain++) content.fill(grain + 1, grain * GRAIN_BYTES, (grain + 1) * GRAIN_BYTES);
  await disk.backUp(content);
  const [lost = ''] = disk.bucket.objects.keys(vaultKeys.packs(disk.disk)).filter((key) => packBytes(disk, key) > 1000);
  disk.bucket.objects.vanish(lost);
  const record = await verifyDisk(disk.store, disk.disk, { level: 1, now: disk.now });
  assert.deepEqual(
    record?.findings.map(({ key, what, points }) => ({ key, what, points })),
    [{ key: lost, what: 'is gone', points: [1] }],
  );
  const readBefore = disk.readBytes;
  await nextRun(disk, content);
  assert.equal(disk.readBytes - readBefore, 32 * GRAIN_BYTES, 'only what the lost pack held is read');
  assert.ok((await disk.restore(2)).equals(content));
  const after = await verifyDisk(disk.store, disk.disk, { level: 2, share: { part: 0, of: 1 }, now: disk.now });
  assert.deepEqual(
    after?.findings.map(({ points }) => points),
    [[1]],
    'the old point stays damaged, the new one is whole',
  );
});

const packBytes = (disk: LoneDisk, key: string) => disk.bucket.objects.current(key)?.body.length ?? 0;

test('invariant 23, compaction transparency: relocated grains restore as before, and their old pack is free', async () => {
  const disk = new LoneDisk();
  const content = Buffer.alloc(2048 * GRAIN_BYTES, 1);
  await disk.backUp(content, { shardGrains: 2048 });
  const changed = Buffer.from(content);
  changed.fill(2, 0, 1700 * GRAIN_BYTES);
  await disk.backUp(changed, { shardGrains: 2048 });
  const final = Buffer.from(changed);
  final.fill(3, 0, 600 * GRAIN_BYTES);
  disk.bucket.requests.length = 0;
  await nextRun(disk, final);
  const reads = disk.bucket.requests.filter(({ operation, key }) => operation === 'get' && key.endsWith('.zst'));
  assert.deepEqual(reads, [], 'no pack is fetched to be compacted');
  for (const seq of [1, 2, 3]) assert.ok((await disk.restore(seq)).equals(disk.contents[seq - 1]!), `point ${seq}`);
  const head = await readHead(disk.store, disk.disk);
  const { header } = await ManifestReader.open(disk.store, head!.entry.manifest);
  assert.ok(!header.packs.some(({ no }) => no === 1), 'the first pack, of which 348 grains of 2,048 lived, is free');
  assert.equal(
    header.packs.reduce((sum, { live }) => sum + live, 0),
    grainsCovering(final.length),
  );
});

test('nothing is rewritten without reason: the plan is that of the host', async () => {
  const disk = new LoneDisk();
  await disk.backUp(Buffer.alloc(8 * GRAIN_BYTES, 1));
  const head = await readHead(disk.store, disk.disk);
  const base = await ManifestReader.open(disk.store, head!.entry.manifest);
  const planned = new GrainBitmap(8);
  planned.add(3);
  assert.deepEqual(await planRewrites(disk.store, base, { planned, storageClass: undefined }), []);
  assert.equal(planned.count(), 1);
});
