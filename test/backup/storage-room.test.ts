import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Failure } from '#lib/failure.ts';
import { removeDisk } from '#sim/api/disk-moves.ts';
import { takeSnapshot } from '#sim/api/vdi-calls.ts';
import { chainFiles } from '#sim/disks/vhd-chains.ts';
import { LoneSite, type SiteOptions } from '../fakes/lone-site.ts';

const GRAIN = 65_536;
const MIB = 1_048_576;

async function siteWithDisk(options: SiteOptions) {
  const site = await LoneSite.start(options);
  const vm = await site.sim.addVm({ name: 'web', disks: [{ name: 'root', bytes: randomBytes(4 * GRAIN) }] });
  return { site, vm: vm.uuid, vdi: site.sim.world.db.VDI.byUuid(vm.vdis[0] ?? '') };
}

async function refusalOf(site: LoneSite, vm: string): Promise<Failure> {
  const before = site.sim.world.db.VDI.refs();
  try {
    await site.backUp(vm);
  } catch (failure) {
    assert.ok(failure instanceof Failure);
    assert.equal(failure.transient, false);
    assert.deepEqual(site.sim.world.db.VDI.refs(), before, 'something was put on the storage');
    const { 'Async.VDI.enable_cbt': enabled, 'Async.VDI.snapshot': snapshotted } = site.sim.counters.apiCalls;
    assert.deepEqual([enabled, snapshotted, site.sim.counters.sessions], [undefined, undefined, 0]);
    return failure;
  }
  return assert.fail('the run was not refused');
}

test('a run is refused when the SR of a disk is short of space, with the SR, the figures and the cure', async () => {
  const { site, vm } = await siteWithDisk({ srs: [{ name: 'small', type: 'ext', physicalBytes: 4 * GRAIN + 1_000 }] });
  await using _ = site;
  const failure = await refusalOf(site, vm);
  assert.equal(failure.name, 'StorageNearlyFull');
  assert.match(failure.message, /SR small \([0-9a-f-]{36}\) of disk root .* has 0\.0 GiB free.* Free space on the SR/);
  const [sr = ''] = site.sim.world.db.SR.refs();
  const { uuid } = site.sim.world.db.SR.get(sr);
  assert.deepEqual(failure.details, { sr: uuid, freeBytes: 1_000, leastBytes: Math.ceil((4 * GRAIN + 1_000) * 0.02) });
});

test('a large SR is short of space below 64 GiB and not at two percent', async () => {
  const physicalBytes = 100 * 1024 ** 4;
  const { site, vm } = await siteWithDisk({ srs: [{ name: 'large', type: 'lvm', physicalBytes }] });
  await using _ = site;
  await site.sim.addVm({ name: 'other', disks: [{ sizeBytes: physicalBytes - 65 * 1024 ** 3 }] });
  await site.backUp(vm);
  await site.sim.addVm({ name: 'another', disks: [{ sizeBytes: 2 * 1024 ** 3 }] });
  await assert.rejects(site.backUp(vm), { name: 'StorageNearlyFull' });
});

test('a run is refused when the chain of a disk is one file short of the limit, and made again once it was coalesced', async () => {
  const { site, vm, vdi } = await siteWithDisk({ faults: { coalescingStalled: true } });
  await using _ = site;
  const { world } = site.sim;
  const snapshots: string[] = [];
  while (chainFiles(world, vdi) < 29) snapshots.push(takeSnapshot(world, vdi, {}));
  const failure = await refusalOf(site, vm);
  assert.equal(failure.name, 'ChainNearLimit');
  assert.match(failure.message, /Disk root .* on SR Local storage consists of 29 VHD files.* let the host coalesce/);
  for (const snapshot of snapshots) removeDisk(world, snapshot);
  await assert.rejects(site.backUp(vm), { name: 'ChainNearLimit' });
  site.sim.faults.coalescingStalled = false;
  await site.backUp(vm);
});

test('runs on a host that does not coalesce end with the refusal before the host refuses a snapshot', async () => {
  const { site, vm, vdi } = await siteWithDisk({ faults: { coalescingStalled: true } });
  await using _ = site;
  const { world } = site.sim;
  while (chainFiles(world, vdi) < 27) takeSnapshot(world, vdi, {});
  await site.backUp(vm);
  await site.backUp(vm);
  assert.equal(chainFiles(world, vdi), 29);
  await assert.rejects(site.backUp(vm), { name: 'ChainNearLimit' });
});

test('disks that the run leaves out do not count', async () => {
  const { site, vm, vdi } = await siteWithDisk({});
  await using _ = site;
  const { world } = site.sim;
  while (chainFiles(world, vdi) < 29) takeSnapshot(world, vdi, {});
  const other = await site.sim.addVm({
    name: 'two',
    disks: [{ bytes: randomBytes(MIB) }, { bytes: randomBytes(MIB) }],
  });
  const second = world.db.VDI.byUuid(other.vdis[1] ?? '');
  while (chainFiles(world, second) < 29) takeSnapshot(world, second, {});
  await site.backUp(other.uuid, { excludeDisks: [other.vdis[1] ?? ''] });
  await assert.rejects(site.backUp(vm), { name: 'ChainNearLimit' });
});
