import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { encodeDocument, HEAD } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { closestVerification, newestVerifications } from '#lib/restore/verified-level.ts';
import { parseDiskId } from '#lib/units.ts';
import { memoryStore } from '../fakes/memory-store.ts';

test('the closest look at a point counts, and of several the newest', async () => {
  const { store } = memoryStore();
  const disk = parseDiskId(randomUUID());
  for (const [day, level, points] of [
    [1, 2, [1, 2]],
    [2, 2, [2, 3]],
    [3, 1, [1, 2, 3, 4]],
  ] as const) {
    const time = new Date(Date.UTC(2026, 0, day));
    const record = {
      ...HEAD,
      disk,
      level,
      time,
      head: { seq: 4, sha256: '0'.repeat(64) },
      scope: { points, packs: 1, readBytes: 0 },
      findings: [],
    };
    await store.put(vaultKeys.verification(disk, { time, level }), encodeDocument(record));
  }
  const records = await newestVerifications(store, disk);
  const closest = (seq: number) => {
    const record = closestVerification(records, seq);
    return record === undefined ? undefined : [record.level, record.time.getUTCDate()];
  };
  assert.deepEqual(closest(2), [2, 2]);
  assert.deepEqual(closest(4), [1, 3]);
  assert.equal(closest(5), undefined);
});
