import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { encodeFrame } from '#lib/format/frame.ts';
import { DamagedContent } from '#lib/restore/restore-disk.ts';
import { restoreBlockDevice, restoreRawFile } from '#lib/restore/restore-to-path.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { MemoryBucket, memoryStore } from '../fakes/memory-store.ts';
import { seededRandom } from '../fakes/random.ts';
import { VaultDisk } from '../fakes/vault-disk.ts';

const GRAIN = 65_536;

const folder = await mkdtemp(join(tmpdir(), 'restore-raw-'));
after(() => rm(folder, { recursive: true, force: true }));

/** A connection that is cut after so many reads of packs. */
function cutAfter(bucket: MemoryBucket, packReads: number) {
  let left = packReads;
  return bucket.store({ choose: ({ key }) => (key.endsWith('.zst') && --left < 0 ? 'unavailable' : undefined) });
}

/** A disk of random grains, some of them holes, and the bytes it has. */
async function smallDisk(store = memoryStore().store, grains = 40) {
  const disk = new VaultDisk(store, grains * GRAIN);
  const image = Buffer.alloc(grains * GRAIN);
  const changes = new Map<number, Buffer>();
  for (let grain = 0; grain < grains; grain += grain % 5 === 3 ? 4 : 1) {
    const content = randomBytes(GRAIN);
    content.copy(image, grain * GRAIN);
    changes.set(grain, content);
  }
  const seq = await disk.addPoint(changes);
  return { disk, seq, image, content: () => DiskContent.open(store, { disk: disk.disk, seq }) };
}

test('each of 31 points of a chain of increments restores to what the disk was at its time', async () => {
  const { store } = memoryStore();
  const grains = 200;
  const disk = new VaultDisk(store, grains * GRAIN - 1000);
  const random = seededRandom(7);
  const image = Buffer.alloc(grains * GRAIN);
  const digests: string[] = [];
  for (let point = 0; point < 31; point++) {
    const changes = new Map<number, Buffer | null>();
    for (let change = 0; change < (point === 0 ? 120 : 12); change++) {
      const grain = Math.floor(random() * grains);
      const isLast = grain === grains - 1;
      const content = random() < 0.2 ? null : randomBytes(isLast ? GRAIN - 1000 : GRAIN);
      image.fill(0, grain * GRAIN, (grain + 1) * GRAIN);
      content?.copy(image, grain * GRAIN);
      changes.set(grain, content);
    }
    await disk.addPoint(changes);
    digests.push(createHash('sha256').update(image.subarray(0, disk.diskBytes)).digest('hex'));
  }
  for (const [index, digest] of digests.entries()) {
    const path = join(folder, `chain-${index}.raw`);
    await restoreRawFile(await DiskContent.open(store, { disk: disk.disk, seq: index + 1 }), path);
    assert.equal(
      createHash('sha256')
        .update(await readFile(path))
        .digest('hex'),
      digest,
      `point ${index + 1}`,
    );
  }
});

test('a point whose neighbours were deleted with everything that only they needed restores', async () => {
  const bucket = new MemoryBucket();
  const { disk, image } = await smallDisk(bucket.store());
  const first = Buffer.from(image);
  await disk.addPoint(new Map([[10, randomBytes(GRAIN)]]));
  const ofSecond = bucket.requests
    .filter(({ operation, key }) => operation === 'put' && /packs|indexes|manifests/.test(key))
    .slice(-3);
  const third = randomBytes(GRAIN);
  const seq = await disk.addPoint(new Map([[10, third]]));
  for (const { key } of ofSecond) bucket.objects.delete(key);
  for (const [point, expected] of [
    [1, first],
    [seq, Buffer.concat([image.subarray(0, 10 * GRAIN), third, image.subarray(11 * GRAIN)])],
  ] as const) {
    const path = join(folder, `neighbour-${point}.raw`);
    await restoreRawFile(await DiskContent.open(bucket.store(), { disk: disk.disk, seq: point }), path);
    assert.ok((await readFile(path)).equals(expected), `point ${point}`);
  }
});

test('a restore never overwrites a file that is there', async () => {
  const { content } = await smallDisk();
  const path = join(folder, 'taken.raw');
  await writeFile(path, 'the last copy');
  await assert.rejects(restoreRawFile(await content(), path), { name: 'TargetUnusable' });
  assert.equal(await readFile(path, 'utf8'), 'the last copy');
});

test('after an interruption the same restore goes on, and writes again what was half written', async () => {
  const bucket = new MemoryBucket();
  const { disk, seq, content, image } = await smallDisk(bucket.store(), 400);
  const path = join(folder, 'resumed.raw');
  const cut = await DiskContent.open(cutAfter(bucket, 1), { disk: disk.disk, seq });
  await assert.rejects(restoreRawFile(cut, path), { name: 'VaultUnavailable' });
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name.startsWith('resumed')),
    ['resumed.raw.partial', 'resumed.raw.partial.json'],
  );
  // What a crash may leave: blocks that were written wrongly, or that the file system never got around to.
  await using partial = await open(`${path}.partial`, 'r+');
  await partial.write(randomBytes(512), 0, 512, 3 * GRAIN + 512);
  await partial.write(Buffer.alloc(GRAIN), 0, GRAIN, 6 * GRAIN);
  const result = await restoreRawFile(await content(), path);
  assert.equal(result.resumed, true);
  assert.ok(result.writtenBytes > 0 && result.writtenBytes < result.doneBytes, `${result.writtenBytes} written`);
  assert.ok((await readFile(path)).equals(image));
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name.startsWith('resumed')),
    ['resumed.raw'],
  );
});

test('a restore does not go on with what is left of another point', async () => {
  const { store } = memoryStore();
  const first = await smallDisk(store);
  const second = await smallDisk(store);
  const path = join(folder, 'other.raw');
  const signal = AbortSignal.abort(new Error('stopped'));
  await assert.rejects(restoreRawFile(await first.content(), path, { signal }), /stopped/);
  await assert.rejects(restoreRawFile(await second.content(), path), { name: 'TargetUnusable' });
});

test('reading back finds every grain as it was written', async () => {
  const { content, image } = await smallDisk();
  const path = join(folder, 'read-back.raw');
  await restoreRawFile(await content(), path, { readBack: true });
  assert.ok((await readFile(path)).equals(image));
});

/** Flips a bit in the middle of the only object under the prefix; answers with where. */
function damage(bucket: MemoryBucket, suffix: string, at = 0.5): void {
  const [key] = bucket.objects.keys('disks/').filter((name) => name.endsWith(suffix));
  assert.ok(key);
  const body = bucket.objects.current(key)?.body;
  assert.ok(body);
  const position = Math.floor(body.length * at);
  body[position] = (body[position] ?? 0) ^ 1;
}

function newestObject(bucket: MemoryBucket, suffix: string): string {
  const put = bucket.requests.findLast(({ operation, key }) => operation === 'put' && key.endsWith(suffix));
  assert.ok(put);
  return put.key;
}

async function rejection(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error('it did not reject');
}

test('a flipped bit in a pack stops the restore, names the bytes, and leaves no file that looks whole', async () => {
  const bucket = new MemoryBucket();
  const { content } = await smallDisk(bucket.store());
  damage(bucket, '.zst');
  const path = join(folder, 'damaged.raw');
  const failure = await rejection(restoreRawFile(await content(), path));
  assert.ok(failure instanceof DamagedContent);
  const [range] = failure.ranges;
  assert.ok(range && failure.message.includes(`bytes ${range.start}-${range.end - 1}`), failure.message);
  await assert.rejects(stat(path), { code: 'ENOENT' });
});

test('asked to go on after damage, a restore puts everything but the named bytes into the partial file', async () => {
  const bucket = new MemoryBucket();
  const { content, image } = await smallDisk(bucket.store());
  damage(bucket, '.zst', 0.3);
  const path = join(folder, 'kept-going.raw');
  const failure = await rejection(restoreRawFile(await content(), path, { onDamage: 'go-on' }));
  assert.ok(failure instanceof DamagedContent);
  const [range, ...others] = failure.ranges;
  assert.ok(range && others.length === 0);
  assert.ok(range.end - range.start <= 4 * GRAIN, 'one frame is lost, not more');
  const partial = await readFile(`${path}.partial`);
  image.fill(0, range.start, range.end);
  assert.ok(partial.equals(image));
});

test('a frame that is sound in itself but holds other bytes than were stored is damage', async () => {
  const bucket = new MemoryBucket();
  const { content } = await smallDisk(bucket.store());
  const [key] = bucket.objects.keys('disks/').filter((name) => name.endsWith('.zst'));
  const pack = bucket.objects.current(key ?? '')?.body;
  assert.ok(pack);
  // Noise does not compress, so that a frame of other noise fits exactly into the place of the first one.
  encodeFrame(randomBytes(4 * GRAIN)).copy(pack);
  const failure = await rejection(restoreRawFile(await content(), join(folder, 'other-bytes.raw')));
  assert.ok(failure instanceof DamagedContent);
  assert.deepEqual(failure.ranges, [{ start: 0, end: 4 * GRAIN }]);
  assert.match(failure.message, /another digest/);
});

for (const [what, suffixes] of [
  ['a lost pack', ['.zst']],
  ['a lost pack and its index', ['.zst', '.bfi']],
] as const) {
  test(`${what} is damage of exactly the data it held`, async () => {
    const bucket = new MemoryBucket();
    const { disk, image } = await smallDisk(bucket.store());
    const seq = await disk.addPoint(new Map([[10, randomBytes(GRAIN)]]));
    for (const suffix of suffixes) bucket.objects.delete(newestObject(bucket, suffix));
    const path = join(folder, `lost-${suffixes.length}.raw`);
    const content = await DiskContent.open(bucket.store(), { disk: disk.disk, seq });
    const failure = await rejection(restoreRawFile(content, path, { onDamage: 'go-on' }));
    assert.ok(failure instanceof DamagedContent);
    assert.deepEqual(failure.ranges, [{ start: 10 * GRAIN, end: 11 * GRAIN }]);
    image.fill(0, 10 * GRAIN, 11 * GRAIN);
    assert.ok((await readFile(`${path}.partial`)).equals(image));
  });
}

for (const [what, harm] of [
  ['lost', (bucket: MemoryBucket, key: string) => bucket.objects.delete(key)],
  ['damaged', (bucket: MemoryBucket) => damage(bucket, '.bfi')],
] as const) {
  test(`a ${what} pack index is rebuilt from the tail of its pack, and the restore names it`, async () => {
    const bucket = new MemoryBucket();
    const { content, image } = await smallDisk(bucket.store());
    const key = newestObject(bucket, '.bfi');
    harm(bucket, key);
    const path = join(folder, `index-${what}.raw`);
    const opened = await content();
    await restoreRawFile(opened, path);
    assert.ok((await readFile(path)).equals(image));
    assert.deepEqual([...opened.rebuiltIndexes], [key]);
  });
}

test('a damaged section of the manifest is damage of all it maps, never a hole', async () => {
  const bucket = new MemoryBucket();
  const { content, image } = await smallDisk(bucket.store());
  damage(bucket, '.bfm', 0.999);
  const failure = await rejection(restoreRawFile(await content(), join(folder, 'section.raw')));
  assert.ok(failure instanceof DamagedContent);
  assert.deepEqual(failure.ranges, [{ start: 0, end: image.length }]);
});

test('a vault that cannot be reached is not damage, and the restore goes on later', async () => {
  const bucket = new MemoryBucket();
  const { disk, seq, image } = await smallDisk(bucket.store());
  const path = join(folder, 'cut.raw');
  const faulty = bucket.store({ choose: ({ key }) => (key.endsWith('.zst') ? 'unavailable' : undefined) });
  const cut = restoreRawFile(await DiskContent.open(faulty, { disk: disk.disk, seq }), path, { onDamage: 'go-on' });
  await assert.rejects(cut, { name: 'VaultUnavailable' });
  await restoreRawFile(await DiskContent.open(bucket.store(), { disk: disk.disk, seq }), path);
  assert.ok((await readFile(path)).equals(image));
});

test('a device that held something else ends with the content of the disk, and the rest of it untouched', async () => {
  const { content, image } = await smallDisk();
  const path = join(folder, 'device');
  const old = randomBytes(image.length + 3 * GRAIN);
  await writeFile(path, old);
  await restoreBlockDevice(await content(), { path, before: 'unknown' });
  const device = await readFile(path);
  assert.ok(device.subarray(0, image.length).equals(image));
  assert.ok(device.subarray(image.length).equals(old.subarray(image.length)));
});

test('a device whose restore was interrupted begins with zeros, so that nobody takes it for whole', async () => {
  const bucket = new MemoryBucket();
  const { disk, image } = await smallDisk(bucket.store());
  const last = randomBytes(GRAIN);
  last.copy(image, 39 * GRAIN);
  const seq = await disk.addPoint(new Map([[39, last]]));
  const newest = bucket.requests.findLast(({ operation, key }) => operation === 'put' && key.endsWith('.zst'));
  const path = join(folder, 'half-device');
  await writeFile(path, randomBytes(image.length));
  const faulty = bucket.store({ choose: ({ key }) => (key === newest?.key ? 'unavailable' : undefined) });
  const cut = await DiskContent.open(faulty, { disk: disk.disk, seq });
  await assert.rejects(restoreBlockDevice(cut, { path, before: 'unknown' }), { name: 'VaultUnavailable' });
  const half = await readFile(path);
  assert.ok(half.subarray(0, GRAIN).equals(Buffer.alloc(GRAIN)), 'the head');
  assert.ok(half.subarray(GRAIN, 2 * GRAIN).equals(image.subarray(GRAIN, 2 * GRAIN)), 'what follows it');
  const content = await DiskContent.open(bucket.store(), { disk: disk.disk, seq });
  await restoreBlockDevice(content, { path, before: 'unknown' });
  assert.ok((await readFile(path)).equals(image));
});

test('a device smaller than the disk is refused before anything is written to it', async () => {
  const { content, image } = await smallDisk();
  const path = join(folder, 'small-device');
  const old = randomBytes(image.length - 512);
  await writeFile(path, old);
  await assert.rejects(restoreBlockDevice(await content(), { path, before: 'unknown' }), { name: 'TargetUnusable' });
  assert.ok((await readFile(path)).equals(old));
});
