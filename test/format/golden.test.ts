import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { parseDiskId } from '#lib/units.ts';
import { auditVault } from '#lib/verify/audit.ts';
import { LoneDisk } from '../fakes/lone-disk.ts';
import { GOLDEN_DISK, GOLDEN_FILE, goldenContent } from './golden-vault.ts';
import { readDisk } from './own-reader.ts';

const objects: Record<string, string> = JSON.parse(await readFile(GOLDEN_FILE, 'utf8'));

function get(key: string): Buffer {
  const stored = objects[key];
  assert.ok(stored !== undefined, `the golden vault has no ${key}`);
  return Buffer.from(stored, 'base64');
}

for (const point of [1, 2] as const) {
  test(`invariant 27, forward compatibility: an independent reader restores point ${point} of the golden vault`, () => {
    assert.ok(readDisk(get, GOLDEN_DISK, point).equals(goldenContent(point)));
  });

  test(`invariant 27, forward compatibility: this version restores point ${point} of the golden vault`, async () => {
    const disk = new LoneDisk({ disk: parseDiskId(GOLDEN_DISK) });
    for (const key of Object.keys(objects)) await disk.store.put(key, get(key));
    assert.ok((await disk.restore(point)).equals(goldenContent(point)));
    assert.deepEqual((await auditVault({ store: disk.store })).findings, []);
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
