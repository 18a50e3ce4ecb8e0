import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { isBlockDevice, restoreBlockDevice } from '#lib/restore/restore-to-path.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { memoryStore } from '../fakes/memory-store.ts';
import { VaultDisk } from '../fakes/vault-disk.ts';

const GRAIN = 65_536;

const folder = await mkdtemp(join(tmpdir(), 'loop-device-'));
after(() => rm(folder, { recursive: true, force: true }));

/** 24 grains of which every third holds data; the rest are holes. */
const image = Buffer.alloc(24 * GRAIN);
const { store } = memoryStore();
const disk = new VaultDisk(store, image.length);
const changes = new Map<number, Buffer>();
for (let grain = 0; grain < 24; grain += 3) changes.set(grain, randomBytes(GRAIN));
for (const [grain, content] of changes) content.copy(image, grain * GRAIN);
const seq = await disk.addPoint(changes);

const openContent = () => DiskContent.open(store, { disk: disk.disk, seq });

/** A block device of the kernel over a file of these bytes; undefined where the kernel or the user may not make one. */
async function loopDevice(name: string, bytes: Buffer) {
  const file = join(folder, name);
  await writeFile(file, bytes);
  try {
    const device = execFileSync('losetup', ['--find', '--show', file], { stdio: ['ignore', 'pipe', 'pipe'] });
    const path = device.toString().trim();
    return { path, file, [Symbol.dispose]: () => execFileSync('losetup', ['--detach', path]) };
  } catch {
    return undefined;
  }
}

const NO_DEVICE = 'losetup can make no block device here; restore-raw.test.ts shows the same over a plain file';

test('on a block device nothing of its old content shines through the holes of the disk', async (t) => {
  const old = randomBytes(image.length + 2 * GRAIN);
  using device = await loopDevice('used', old);
  if (device === undefined) return t.skip(NO_DEVICE);
  assert.equal(await isBlockDevice(device.path), true);
  await restoreBlockDevice(await openContent(), { path: device.path, before: 'unknown' });
  const bytes = await readFile(device.file);
  assert.ok(bytes.subarray(0, image.length).equals(image), 'the disk');
  assert.ok(bytes.subarray(image.length).equals(old.subarray(image.length)), 'what lies behind it');
});

test('a block device smaller than the disk is refused by name and stays as it was', async (t) => {
  const old = randomBytes(image.length - GRAIN);
  using device = await loopDevice('small', old);
  if (device === undefined) return t.skip(NO_DEVICE);
  const refused = restoreBlockDevice(await openContent(), { path: device.path, before: 'unknown' });
  await assert.rejects(refused, { name: 'TargetUnusable', message: /has 1507328 bytes, less than the 1572864/ });
  assert.ok((await readFile(device.file)).equals(old));
});
