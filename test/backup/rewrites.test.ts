import assert from 'node:assert/strict';
import { test } from 'node:test';
import { choosePacksToRewrite, planRewrites } from '#lib/backup/rewrites.ts';
import { GrainBitmap } from '#lib/format/grain-bitmap.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { PackEntry } from '#lib/format/manifest.ts';
import { GRAIN_BYTES, type PackId, parsePackId, parseRunId, parseSha256 } from '#lib/units.ts';
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

test('nothing is copied while packs hold no more than 0.8 dead grains for each live one', () => {
  assert.deepEqual(chosen([pack(1, 9_200), pack(2, 9_200)]), []);
  assert.deepEqual(chosen([pack(1, 9_000), pack(2, 9_000)]), [1]);
});

test('what frees most for what it takes goes first, and of equals the older one, until enough is free', () => {
  assert.deepEqual(chosen([pack(1, 16_000), pack(2, 3_000), pack(3, 1_000), pack(4, 3_300)]), [3, 2]);
  assert.deepEqual(chosen([pack(1, 4_000), pack(2, 4_000), pack(3, 12_000), pack(4, 12_000)]), [1]);
});

test('a pack that is nearly empty goes although there is little to free altogether', () => {
  assert.deepEqual(chosen([pack(1, 800), pack(2, 16_384), pack(3, 16_384)]), [1]);
});

test('a run copies no more than changed anyway; what does not fit waits for the next', () => {
  assert.deepEqual(chosen([pack(2, 3_000), pack(3, 1_000)], { changedGrains: 1_500 }), [3]);
  assert.deepEqual(chosen([pack(2, 3_000)], { changedGrains: 0 }), []);
});

test('packs whose dead grains are not worth a run are left alone', () => {
  assert.deepEqual(chosen([pack(1, 1, 1_024), pack(2, 10, 2_000)]), [2]);
});

/** Live grains of 16,384 at which a copy pays for itself within three months, by what the class charges. */
const PAYS_UP_TO = { STANDARD: 12_288, STANDARD_IA: 9_637, GLACIER_IR: 6_733, INTELLIGENT_TIERING: 3_780 } as const;

for (const [storageClass, live] of Object.entries(PAYS_UP_TO)) {
  test(`in ${storageClass} a pack is rewritten only if that pays for itself: up to ${live} live grains`, () => {
    // Much dead elsewhere in packs that do not pay, so that only the price can hold a run back.
    const other = pack(9, 16_384, 40_000);
    const only = (no: number) => no === 1;
    const choice = { storageClass: storageClass as keyof typeof PAYS_UP_TO };
    assert.deepEqual(chosen([pack(1, live), other], choice).filter(only), [1]);
    assert.deepEqual(chosen([pack(1, live + 1), other], choice).filter(only), []);
  });
}

test('a damaged pack is rewritten whatever it takes', () => {
  const damaged = new Set([pack(1, 16_000).pack]);
  assert.deepEqual(chosen([pack(1, 16_000), pack(2, 16_000)], { damaged, changedGrains: 0 }), [1]);
});

/** The next run of a disk as the host's comparison begins it: planned are the changed grains and what is rewritten. */
async function nextRun(disk: LoneDisk, content: Buffer): Promise<void> {
  const head = await readHead(disk.store, disk.disk);
  assert.ok(head);
  const changed = changedGrains(disk.contents.at(-1), content);
  const base = await ManifestReader.open(disk.store, head.entry.manifest);
  const rewrites = await planRewrites(disk.store, base, { changed, storageClass: undefined });
  await disk.backUp(content, { planned: changed, rewrites });
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
  const content = Buffer.alloc(1120 * GRAIN_BYTES, 1);
  await disk.backUp(content, { shardGrains: 1120 });
  const changed = Buffer.from(content);
  changed.fill(2, 0, 1080 * GRAIN_BYTES);
  await disk.backUp(changed, { shardGrains: 1120 });
  const final = Buffer.from(changed);
  final.fill(3, 0, 64 * GRAIN_BYTES);
  disk.bucket.requests.length = 0;
  await nextRun(disk, final);
  const reads = disk.bucket.requests.filter(({ operation, key }) => operation === 'get' && key.endsWith('.zst'));
  assert.deepEqual(reads, [], 'no pack is fetched to be compacted');
  for (const seq of [1, 2, 3]) assert.ok((await disk.restore(seq)).equals(disk.contents[seq - 1]!), `point ${seq}`);
  const head = await readHead(disk.store, disk.disk);
  const { header } = await ManifestReader.open(disk.store, head!.entry.manifest);
  assert.ok(!header.packs.some(({ no }) => no === 1), 'the first pack, of which 40 grains of 1,120 lived, is free');
  assert.deepEqual(
    header.packs.map(({ live }) => live).toSorted((a, b) => a - b),
    [8, 32, 32, 32, 1016],
    'no pack holds both changed grains (64) and relocated ones (40)',
  );
});

test('nothing is rewritten without reason: the plan is that of the host', async () => {
  const disk = new LoneDisk();
  await disk.backUp(Buffer.alloc(8 * GRAIN_BYTES, 1));
  const head = await readHead(disk.store, disk.disk);
  const base = await ManifestReader.open(disk.store, head!.entry.manifest);
  const changed = new GrainBitmap(8);
  changed.add(3);
  assert.equal(await planRewrites(disk.store, base, { changed, storageClass: undefined }), undefined);
  assert.equal(changed.count(), 1);
});
