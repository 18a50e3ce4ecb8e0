import assert from 'node:assert/strict';
import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { restoreRawFile } from '#lib/restore/restore-to-path.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { MemoryBucket } from '../fakes/memory-store.ts';
import { VaultDisk } from '../fakes/vault-disk.ts';

const GRAIN = 65_536;
const GIB = 1_073_741_824;

const folder = await mkdtemp(join(tmpdir(), 'sparse-disk-'));
after(() => rm(folder, { recursive: true, force: true }));

test('a disk of 2 TiB with 1 GiB of data restores without a byte written or a request made for its holes', async () => {
  const bucket = new MemoryBucket();
  const disk = new VaultDisk(bucket.store(), 2048 * GIB);
  const changes = new Map<number, Buffer>();
  // 16,384 grains, 1 GiB: some neighbours, most far apart, the very first and the very last among them.
  for (let i = 0; i < 16_384; i++) {
    const grain = i === 16_383 ? 2048 * 16_384 - 1 : Math.floor(i / 2) * 4096 + (i % 2);
    const content = Buffer.alloc(GRAIN, i & 0xff);
    content.writeUInt32LE(i + 1, 100);
    changes.set(grain, content);
  }
  const seq = await disk.addPoint(changes);
  const path = join(folder, 'sparse.raw');
  const startedMs = Date.now();
  const before = bucket.requests.length;
  const result = await restoreRawFile(await DiskContent.open(bucket.store(), { disk: disk.disk, seq }), path);
  const tookMs = Date.now() - startedMs;
  assert.equal(result.writtenBytes, GIB);
  assert.ok(bucket.requests.length - before < 2500, `${bucket.requests.length - before} requests`);
  assert.ok(tookMs < 30_000, `${tookMs} ms`);
  const facts = await stat(path);
  assert.equal(facts.size, 2048 * GIB);
  assert.ok(facts.blocks * 512 < 1.1 * GIB, `${facts.blocks * 512} bytes on disk`);
  await using file = await open(path);
  const data = Buffer.alloc(GRAIN);
  for (const [grain, content] of changes) {
    await file.read(data, 0, GRAIN, grain * GRAIN);
    assert.ok(data.equals(content), `grain ${grain}`);
  }
  await rm(path);
});
