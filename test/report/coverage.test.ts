import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { parseDocument } from '#lib/format/document.ts';
import { poolInventory } from '#lib/format/inventory.ts';
import { type CoveredVm, coverageGaps, type Gap, readNewestPoints } from '#lib/report/coverage.ts';
import { takeInventories } from '#lib/report/inventory.ts';
import { readInventories } from '#lib/report/kept-inventories.ts';
import type { PolicySummary } from '#lib/report/policy.ts';
import { MIB } from '#lib/units.ts';
import { HostUnreachable } from '#lib/xapi/failures.ts';
import { LoneSite } from '../fakes/lone-site.ts';
import { encodePoint, keyOf, pointOf } from './point-fixture.ts';

const NOBODY = { uuids: [], names: [], tags: [] };
const policy = (changes: Partial<PolicySummary>): PolicySummary => ({
  policy: 'nightly',
  select: 'all',
  exclude: NOBODY,
  at: '01:30',
  timezone: 'Etc/UTC',
  ...changes,
});

describe('coverage of a pool by a vault', () => {
  let site: LoneSite;
  let newest: CoveredVm[];

  before(async () => {
    site = await LoneSite.start();
    const disk = () => ({ bytes: randomBytes(MIB) });
    const web = await site.sim.addVm({ name: 'web', disks: [disk(), { ...disk(), name: 'scratch [NOBAK]' }] });
    await site.sim.addVm({ name: 'forgotten', disks: [disk()] });
    await site.sim.addVm({ name: 'lab', tags: ['xo:no-bak'], disks: [disk()] });
    await site.backUp(web.uuid);
    const old = pointOf({ vmName: 'retired', seq: 1, time: new Date('2026-01-02'), dataGrains: 1, storedBytes: 1 });
    await site.store.put(keyOf(old), encodePoint(old));
    await takeInventories(site.ports, ['lab']);
    newest = await readNewestPoints(site.store);
  });
  after(() => site[Symbol.asyncDispose]());

  const gaps = async (policies?: readonly PolicySummary[]) =>
    coverageGaps(await readInventories(site.store), newest, policies);
  const kinds = (found: readonly Gap[]) => found.map(({ kind, name }) => `${name}: ${kind}`).toSorted();
  const why = (found: readonly Gap[], name: string) => found.find((gap) => gap.name === name)?.why ?? '';

  test('names VMs without a point, disks left out, and VMs that are gone, each with its reason', async () => {
    const found = await gaps();
    assert.deepEqual(kinds(found), [
      'forgotten: no-point-yet',
      'lab: not-selected',
      'retired: gone-from-pool',
      'web: disk-left-out',
    ]);
    assert.match(why(found, 'lab'), /tag xo:no-bak; it has no point/);
    assert.match(why(found, 'retired'), /2026-01-02/);
    assert.match(why(found, 'web'), /scratch.*\[NOBAK\]/);
  });

  test('tells a VM that no policy selects from one that is selected and has no point yet', async () => {
    const tagged = await gaps([policy({ select: { ...NOBODY, names: ['web'] } })]);
    assert.match(why(tagged, 'forgotten'), /^no policy selects it; it has no point$/);
    assert.match(why(await gaps([policy({})]), 'forgotten'), /^policy nightly selects it, and no run has ended$/);
  });

  test('counts a VM as not selected although it has points, once its policy leaves it out', async () => {
    const found = await gaps([policy({ exclude: { ...NOBODY, names: ['web'] } })]);
    assert.match(why(found, 'web'), /^no policy selects it; its newest point is of \d{4}-/);
  });

  test('says that a disk is left out by excludeDisks, or that no host can snapshot it', async () => {
    const disks = [
      { uuid: 'd1', name: 'data', allocatedBytes: 0 },
      { uuid: 'd2', name: 'quorum', allocatedBytes: 0, impossible: 'quorum is shared between VMs' },
    ];
    const vms = [{ uuid: 'v', name: 'db', tags: [], disks }];
    const point = { vm: 'v', name: 'db', pool: 'lab', time: new Date(), disks: [] };
    const found = coverageGaps([{ pool: 'lab', vms }], [point], [policy({ excludeDisks: ['d1'] })]);
    assert.deepEqual(
      found.map(({ why: reason }) => reason),
      ['data (d1): left out by excludeDisks of policy nightly', 'quorum (d2): quorum is shared between VMs'],
    );
  });

  test('leaves points of pools alone that were never looked at', async () => {
    const elsewhere = coverageGaps([{ pool: 'another', vms: [] }], newest);
    assert.deepEqual(elsewhere, []);
  });

  test('a pool that cannot be asked keeps its last inventory, keeps no other from being asked, and is reported', async () => {
    const pools = {
      names: ['gone', 'lab'],
      named: (name: string | undefined) => {
        if (name === 'gone') throw new HostUnreachable('https://192.0.2.1 does not answer');
        return site.pool;
      },
    };
    await site.store.delete('upkeep/inventories/lab.json');
    await assert.rejects(takeInventories({ ...site.ports, pools }, ['gone', 'lab']), HostUnreachable);
    const inventory = parseDocument(poolInventory, await site.store.get('upkeep/inventories/lab.json'), 'inventory');
    assert.equal(inventory.vms.length, 3);
    assert.equal(inventory.vms.find(({ name }) => name === 'web')?.disks.length, 2);
  });
});
