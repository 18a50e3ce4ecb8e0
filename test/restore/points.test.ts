import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeDocument } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { listPoints } from '#lib/restore/points.ts';
import { GRAIN_BYTES, parseRunId, parseVmId } from '#lib/units.ts';
import { LoneDisk } from '../fakes/lone-disk.ts';

for (const [what, change] of [
  ['another time', { time: new Date('2026-01-06T12:00:00Z') }],
  ['another run', { run: parseRunId('00000000000000ff') }],
  ['another VM', { vm: parseVmId('5e4e0000-0000-4000-8000-00000000000b') }],
] as const) {
  test(`a point that lies under the name of ${what} is damaged, and nothing is listed as what it is not`, async () => {
    const disk = new LoneDisk();
    await disk.backUp(Buffer.alloc(4 * GRAIN_BYTES, 1));
    const [{ point } = assert.fail('no point')] = await listPoints(disk.store);
    const moved = vaultKeys.point(change.vm ?? point.vm, { ...point, ...change });
    await disk.store.put(moved, encodeDocument(point));
    await assert.rejects(listPoints(disk.store), { name: 'DamagedObject', message: /moved or overwritten; remove it/ });
  });
}
