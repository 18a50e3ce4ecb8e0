import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { parseDiskId } from '#lib/units.ts';
import { auditVault } from '#lib/verify/audit.ts';
import { LoneDisk } from '../fakes/lone-disk.ts';
import { GOLDEN_DISK, GOLDEN_VAULTS, goldenContent } from './golden-vault.ts';
import { readDisk } from './own-reader.ts';

for (const { kind, file } of GOLDEN_VAULTS) {
  const objects: Record<string, string> = JSON.parse(await readFile(file, 'utf8'));
  const get = (key: string) => Buffer.from(objects[key] ?? assert.fail(`the golden vault has no ${key}`), 'base64');

  for (const point of [1, 2] as const) {
    test(`invariant 27, forward compatibility: an independent reader restores point ${point} of the golden vault ${kind}`, () => {
      assert.ok(readDisk(get, GOLDEN_DISK, point).equals(goldenContent(point)));
    });

    test(`invariant 27, forward compatibility: this version restores point ${point} of the golden vault ${kind}`, async () => {
      const disk = new LoneDisk({ disk: parseDiskId(GOLDEN_DISK) });
      for (const key of Object.keys(objects)) await disk.store.put(key, get(key));
      assert.ok((await disk.restore(point)).equals(goldenContent(point)));
      assert.deepEqual((await auditVault({ store: disk.store })).findings, []);
    });
  }

  test(`a point built on the golden vault ${kind} restores, and so do those before it`, async () => {
    const disk = new LoneDisk({ disk: parseDiskId(GOLDEN_DISK), seed: 7 });
    for (const key of Object.keys(objects)) await disk.store.put(key, get(key));
    disk.contents.push(goldenContent(1), goldenContent(2));
    await disk.backUp(goldenContent(1));
    for (const [i, content] of disk.contents.entries())
      assert.ok((await disk.restore(i + 1)).equals(content), `${i + 1}`);
  });
}

test('an independent reader restores what this version writes', async () => {
  const disk = new LoneDisk({ seed: 3 });
  await disk.backUp(goldenContent(1));
  await disk.backUp(goldenContent(2));
  const stored = (key: string) => disk.bucket.objects.current(key)?.body ?? Buffer.alloc(0);
  for (const point of [1, 2] as const) {
    assert.ok(readDisk(stored, disk.disk, point).equals(goldenContent(point)), `point ${point}`);
  }
});
