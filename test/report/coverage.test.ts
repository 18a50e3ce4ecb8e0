import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { openHostSession } from '#lib/backup/host-access.ts';
import { coverageGaps, type PoolVm, readNewestPoints, readPoolVms } from '#lib/report/coverage.ts';
import { MIB } from '#lib/units.ts';
import { hastyClock, LoneSite } from '../fakes/lone-site.ts';
import { encodePoint, keyOf, pointOf } from './point-fixture.ts';

describe('coverage of a pool by a vault', () => {
  let site: LoneSite;
  let pool: readonly PoolVm[];

  before(async () => {
    site = await LoneSite.start();
    const disk = () => ({ bytes: randomBytes(MIB) });
    const web = await site.sim.addVm({ name: 'web', disks: [disk(), { ...disk(), name: 'scratch [NOBAK]' }] });
    await site.sim.addVm({ name: 'forgotten', disks: [disk()] });
    await site.sim.addVm({ name: 'lab', tags: ['xo:no-bak'], disks: [disk()] });
    await site.backUp(web.uuid);
    const old = pointOf({ vmName: 'retired', seq: 1, time: new Date('2026-01-02'), dataGrains: 1, storedBytes: 1 });
    await site.store.put(keyOf(old), encodePoint(old));
    const time = { clock: hastyClock, signal: AbortSignal.timeout(60_000) };
    await using session = await openHostSession(site.pool, undefined, time);
    pool = await readPoolVms(session);
  });
  after(() => site[Symbol.asyncDispose]());

  test('names VMs without a point, disks left out, and VMs that are gone, each with its reason', async () => {
    const gaps = coverageGaps(pool, await readNewestPoints(site.store));
    assert.deepEqual(gaps.map(({ kind, name }) => `${name}: ${kind}`).toSorted(), [
      'forgotten: vm-without-point',
      'lab: vm-without-point',
      'retired: vm-gone-from-pool',
      'web: disk-without-point',
    ]);
    const why = (name: string) => gaps.find((gap) => gap.name === name)?.why ?? '';
    assert.match(why('forgotten'), /no policy selects it/);
    assert.match(why('lab'), /tag xo:no-bak/);
    assert.match(why('retired'), /2026-01-02/);
    assert.match(why('web'), /scratch.*\[NOBAK\]/);
  });

  test('leaves points of other pools alone when one is named', async () => {
    const gaps = coverageGaps(pool, await readNewestPoints(site.store), { pool: 'another' });
    assert.deepEqual(
      gaps.filter(({ kind }) => kind === 'vm-gone-from-pool'),
      [],
    );
  });
});
