import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commitPoint } from '#lib/backup/commit-point.ts';
import { splitExtents } from '#lib/backup/split-extents.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { GRAIN_BYTES, parseRunId } from '#lib/units.ts';
import { changedGrains, LoneDisk } from '../fakes/lone-disk.ts';

const RUN = parseRunId('00000000000000b1');
const CONTENT = Buffer.alloc(70 * GRAIN_BYTES, 1);
const SHAPE = { planned: changedGrains(undefined, CONTENT), rewrites: undefined, shardGrains: 32 };
const damaged = { name: 'DamagedObject', message: /bitmaps.*was changed or cut; start a new run/ };

/** What a call of snapshot-disks that was thought dead may still do: write another bitmap under the same name. */
async function forgetOneGrain(disk: LoneDisk): Promise<void> {
  const key = vaultKeys.bitmap(RUN, disk.disk);
  const bits = await disk.store.get(key);
  bits[8]! &= 0x7f;
  await disk.store.put(key, bits);
}

test('a bitmap that changes after the plan was made is noticed before a shard is cut', async () => {
  const disk = new LoneDisk();
  await disk.plan(RUN, CONTENT, SHAPE);
  await forgetOneGrain(disk);
  await assert.rejects(splitExtents(disk, RUN), damaged);
  assert.equal(await disk.store.head(vaultKeys.shards(RUN)), undefined);
});

test('a bitmap that changes after the shards were cut is noticed before the point is committed', async () => {
  const disk = new LoneDisk();
  await disk.plan(RUN, CONTENT, SHAPE);
  await disk.read(RUN, CONTENT, SHAPE);
  await forgetOneGrain(disk);
  await assert.rejects(commitPoint(disk, RUN), damaged);
  assert.deepEqual(disk.bucket.objects.keys(vaultKeys.ledgerEntries(disk.disk)), []);
});
