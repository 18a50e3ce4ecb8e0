/** The life of changed block tracking: when a run is incremental, when it is full and why, and what stays on the host. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Failure } from '#lib/failure.ts';
import { findPoint } from '#lib/restore/points.ts';
import { stopTracking } from '#sim/api/cbt-calls.ts';
import { removeDisk } from '#sim/api/disk-moves.ts';
import { addVbd } from '#sim/api/vbd-calls.ts';
import { LoneSite, type SiteOptions } from '../fakes/lone-site.ts';

const GRAIN = 65_536;
const SRS = [
  { name: 'first', type: 'ext' },
  { name: 'second', type: 'nfs' },
  { name: 'untracked', type: 'linstor' },
];

async function siteWithDisk(options: SiteOptions & { sr?: string } = {}) {
  const site = await LoneSite.start({ srs: SRS, ...options });
  const disk = { bytes: randomBytes(8 * GRAIN), ...(options.sr === undefined ? {} : { sr: options.sr }) };
  const vm = await site.sim.addVm({ name: 'web', disks: [disk] });
  return { site, vm: vm.uuid, vdi: vm.vdis[0] ?? '' };
}

/** `incremental`, or the reason of the full, for each disk of the newest point. */
async function kinds(site: LoneSite): Promise<string[]> {
  const { point } = await findPoint(site.store, { point: 'latest' });
  return point.disks.map(({ kind, full }) => full?.because ?? kind);
}

async function runAfter(site: LoneSite, vm: string, disturb: () => unknown): Promise<string[]> {
  await disturb();
  await site.backUp(vm);
  return kinds(site);
}

async function failureOf(run: Promise<unknown>): Promise<Failure> {
  try {
    await run;
  } catch (failure) {
    if (failure instanceof Failure) return failure;
    throw failure;
  }
  return assert.fail('the run succeeded');
}

const disturbances: readonly (readonly [
  what: string,
  because: string,
  disturb: (site: LoneSite, vdi: string) => void,
])[] = [
  ['a host crash', 'cbt-was-off', (site) => site.sim.crashHost()],
  [
    'somebody switched tracking off and on',
    'chain-broken',
    ({ sim: { world } }, vdi) => {
      const ref = world.db.VDI.byUuid(vdi);
      stopTracking(world, ref);
      world.cbt.start(vdi, world.db.VDI.get(ref).virtual_size);
      world.db.VDI.update(ref, { cbt_enabled: true });
    },
  ],
  [
    'somebody switched tracking off',
    'cbt-was-off',
    ({ sim: { world } }, vdi) => stopTracking(world, world.db.VDI.byUuid(vdi)),
  ],
  [
    'a growth of the disk with which its log could not grow',
    'cbt-was-off',
    ({ sim }, vdi) => {
      sim.faults.resizeLogFails = true;
      sim.resize(vdi, 10 * GRAIN);
      sim.faults.resizeLogFails = false;
    },
  ],
  [
    'a purge of the metadata by hand',
    'base-gone',
    ({ sim }) => removeDisk(sim.world, sim.world.db.VDI.byUuid(sim.counters.cbtMetadata[0] ?? '')),
  ],
  [
    'error 460 of the storage',
    'chain-broken',
    ({ sim }) =>
      void sim.faults.calls.push({ method: 'VDI.list_changed_blocks', code: 'SR_BACKEND_FAILURE_460', times: 1 }),
  ],
  [
    'error 459 of the storage',
    'chain-broken',
    ({ sim }) =>
      void sim.faults.calls.push({ method: 'VDI.list_changed_blocks', code: 'SR_BACKEND_FAILURE_459', times: 1 }),
  ],
  [
    'an internal error in the comparison',
    'chain-broken',
    ({ sim }) => void sim.faults.calls.push({ method: 'VDI.list_changed_blocks', code: 'INTERNAL_ERROR', times: 1 }),
  ],
];

for (const [what, because, disturb] of disturbances) {
  test(`after ${what} one run is full because of "${because}", the next is incremental, and no stale base stays`, async () => {
    const { site, vm, vdi } = await siteWithDisk();
    await using _ = site;
    await site.backUp(vm);
    assert.deepEqual(await runAfter(site, vm, () => disturb(site, vdi)), [because]);
    site.sim.write(vdi, 3 * GRAIN, randomBytes(10));
    assert.deepEqual(await runAfter(site, vm, () => undefined), ['incremental']);
    assert.equal(site.sim.counters.cbtMetadata.length, 1);
    assert.deepEqual(site.sim.counters.snapshots, []);
    assert.ok((await site.restore({ point: 'latest' })).equals(await site.diskBytes(vdi)));
  });
}

test('a snapshot that came without a log makes two fulls, each with its reason, and then increments again', async () => {
  const { site, vm, vdi } = await siteWithDisk();
  await using _ = site;
  await site.backUp(vm);
  site.sim.faults.snapshotLogFails = true;
  assert.deepEqual(await runAfter(site, vm, () => undefined), ['snapshot-without-cbt']);
  site.sim.faults.snapshotLogFails = false;
  assert.deepEqual(await runAfter(site, vm, () => undefined), ['cbt-was-off']);
  assert.deepEqual(await runAfter(site, vm, () => site.sim.write(vdi, 0, randomBytes(10))), ['incremental']);
  assert.equal(site.sim.counters.cbtMetadata.length, 1);
});

test('a disk that was moved to another storage begins anew there, and is incremental again with the next run', async () => {
  const { site, vm, vdi } = await siteWithDisk();
  await using _ = site;
  await site.backUp(vm);
  const moved = site.sim.migrate(vdi, 'second');
  assert.deepEqual(await runAfter(site, vm, () => undefined), ['first-backup']);
  assert.deepEqual(await runAfter(site, vm, () => site.sim.write(moved, 0, randomBytes(10))), ['incremental']);
  assert.ok((await site.restore({ point: 'latest' })).equals(await site.diskBytes(moved)));
});

test('a bitmap that is too short makes a full instead of a point that misses changes', async () => {
  const { site, vm, vdi } = await siteWithDisk();
  await using _ = site;
  await site.backUp(vm);
  site.sim.write(vdi, 7 * GRAIN, randomBytes(GRAIN));
  site.sim.faults.truncatedBitmap = true;
  assert.deepEqual(await runAfter(site, vm, () => undefined), ['bitmap-wrong-size']);
  assert.ok((await site.restore({ point: 'latest' })).equals(await site.diskBytes(vdi)));
});

test('during a pool upgrade the run ends without a verdict on the chain, and the next is incremental', async () => {
  const { site, vm } = await siteWithDisk();
  await using _ = site;
  await site.backUp(vm);
  site.sim.faults.poolUpgrading = true;
  assert.equal((await failureOf(site.backUp(vm))).name, 'UpgradeInProgress');
  site.sim.faults.poolUpgrading = false;
  assert.deepEqual(await runAfter(site, vm, () => undefined), ['incremental']);
});

test('a storage without tracking gives a full each time of which only differences are stored', async () => {
  const { site, vm, vdi } = await siteWithDisk({ sr: 'untracked' });
  await using _ = site;
  await site.backUp(vm);
  site.sim.write(vdi, 2 * GRAIN, randomBytes(GRAIN));
  const { storedBytes } = await site.backUp(vm);
  assert.deepEqual(await kinds(site), ['sr-without-cbt']);
  assert.ok(storedBytes < 2 * GRAIN, `${storedBytes} bytes for one changed grain`);
  assert.deepEqual([site.sim.counters.cbtMetadata, site.sim.counters.snapshots], [[], []]);
});

test('a licence without tracking gives fulls with that reason, asked for or discovered', async () => {
  const { site, vm } = await siteWithDisk({ faults: { cbtRestricted: true } });
  await using _ = site;
  await site.backUp(vm);
  await site.backUp(vm);
  assert.deepEqual(await kinds(site), ['licence']);
  site.sim.faults.cbtRestricted = false;
  const refusal = { method: 'VDI.enable_cbt', code: 'LICENCE_RESTRICTION', params: ['CBT'], times: 1 };
  assert.deepEqual(await runAfter(site, vm, () => site.sim.faults.calls.push(refusal)), ['licence']);
});

test('tracking that cannot be switched on is tried twice and then backed up in full', async () => {
  for (const code of ['SR_BACKEND_FAILURE_457', 'SR_BACKEND_FAILURE_458']) {
    const { site, vm } = await siteWithDisk();
    await using _ = site;
    site.sim.faults.calls.push({ method: 'VDI.enable_cbt', code, times: 2 });
    await site.backUp(vm);
    assert.equal(site.sim.counters.apiCalls['Async.VDI.enable_cbt'], 2);
    assert.deepEqual(await runAfter(site, vm, () => undefined), ['cbt-was-off']);
  }
});

test('both kinds of revert lead to a right point and to a clean host', async () => {
  for (const keepUuid of [true, false]) {
    const { site, vm, vdi } = await siteWithDisk();
    await using _ = site;
    await site.backUp(vm);
    const [base = ''] = site.sim.counters.cbtMetadata;
    const input = site.request(vm);
    await site.prepare(input);
    const [snapshot = ''] = site.sim.counters.snapshots;
    site.sim.write(vdi, 0, randomBytes(GRAIN));
    const now = site.sim.revert(vdi, snapshot, { keepUuid });
    await site.release(input);
    assert.equal(site.sim.world.db.VDI.byUuid(now) !== undefined, true, 'the live disk is there');
    assert.deepEqual(site.sim.counters.snapshots, [], `keepUuid ${keepUuid}`);
    await site.backUp(vm);
    assert.deepEqual(await kinds(site), [keepUuid ? 'chain-broken' : 'first-backup']);
    assert.ok((await site.restore({ point: 'latest' })).equals(await site.diskBytes(now)));
    assert.equal(site.sim.counters.cbtMetadata.includes(base), !keepUuid, 'the sweep takes a base without its disk');
  }
});

test('a live disk that is destroyed during the run does not keep the host from being released', async () => {
  const { site, vm, vdi } = await siteWithDisk();
  await using _ = site;
  const input = site.request(vm);
  await site.prepare(input);
  const { world } = site.sim;
  removeDisk(world, world.db.VDI.byUuid(vdi));
  await site.release(input);
  assert.deepEqual([site.sim.counters.snapshots, site.sim.counters.sessions], [[], 0]);
});

test('disks that were added and removed, on two storages, each have their own history', async () => {
  await using site = await LoneSite.start({ srs: SRS });
  const vm = await site.sim.addVm({
    name: 'web',
    disks: [{ bytes: randomBytes(GRAIN) }, { bytes: randomBytes(GRAIN), sr: 'second' }],
  });
  await site.backUp(vm.uuid);
  const spare = await site.sim.addVm({ name: 'spare', disks: [{ bytes: randomBytes(GRAIN) }] });
  const { VM, VDI, VBD } = site.sim.world.db;
  const [, second = ''] = vm.vdis;
  for (const vbd of VBD.where((row) => row.VDI === VDI.byUuid(second))) VBD.delete(vbd);
  addVbd(site.sim.world, { vm: VM.byUuid(vm.uuid), vdi: VDI.byUuid(spare.vdis[0] ?? ''), mode: 'RW' });
  await site.backUp(vm.uuid);
  assert.deepEqual((await kinds(site)).toSorted(), ['first-backup', 'incremental']);
  addVbd(site.sim.world, { vm: VM.byUuid(vm.uuid), vdi: VDI.byUuid(second), mode: 'RW' });
  await site.backUp(vm.uuid);
  assert.deepEqual(await kinds(site), ['incremental', 'incremental', 'incremental']);
});

test('a disk that no host can snapshot is left out with the reason, the others are backed up', async () => {
  await using site = await LoneSite.start();
  const vm = await site.sim.addVm({
    name: 'web',
    disks: [{ bytes: randomBytes(GRAIN) }, { bytes: randomBytes(GRAIN) }],
  });
  const { VDI } = site.sim.world.db;
  VDI.update(VDI.byUuid(vm.vdis[1] ?? ''), { on_boot: 'reset' });
  await site.backUp(vm.uuid);
  assert.deepEqual(await kinds(site), ['first-backup']);
  const [record] = site.objectsUnder('runs/').filter(({ key }) => key.endsWith('run.json'));
  assert.match(JSON.parse(record?.body.toString() ?? '').skipped[0].why, /is reset whenever its VM boots/);
});

test('a snapshot that was made and not yet marked is found again instead of being made twice', async () => {
  const { site, vm } = await siteWithDisk();
  await using _ = site;
  await site.backUp(vm);
  const input = site.request(vm);
  const deadCalls = { method: 'VDI.add_to_other_config', code: 'INTERNAL_ERROR', times: 1 };
  site.sim.faults.calls.push(deadCalls);
  await failureOf(site.prepare(input));
  await site.prepare(input);
  assert.equal(site.sim.counters.snapshots.length, 1);
  await site.release(input);
  assert.deepEqual(site.sim.counters.snapshots, []);
});

test('a comparison whose task the host forgot is asked for again, not taken for a lost base', async () => {
  const { site, vm, vdi } = await siteWithDisk({ timings: { storageOperationMs: 2 } });
  await using _ = site;
  await site.backUp(vm);
  site.sim.write(vdi, 0, randomBytes(1));
  const busy = { method: 'VDI.list_changed_blocks', code: 'VDI_IN_USE', times: 1 };
  site.sim.faults.calls.push(busy);
  const input = site.request(vm);
  assert.equal((await failureOf(site.prepare(input))).name, 'VdiInUse');
  const run = await site.prepare(input);
  assert.match((await site.store.get(`runs/${run}/plan.json`)).toString(), /"kind":"incremental"/);
  await site.release(input);
});

test('the record of a run proves what it put on the host, took off, and left on purpose', async () => {
  const { site, vm } = await siteWithDisk();
  await using _ = site;
  await site.backUp(vm);
  await site.backUp(vm);
  const records = site.objectsUnder('runs/').filter(({ key }) => key.endsWith('run.json'));
  const proofs = records.map(({ body }) => JSON.parse(body.toString()));
  const [base] = site.sim.counters.cbtMetadata;
  const latest = proofs.find(({ created }) => created.includes(`snapshot ${base}`));
  const first = proofs.find((proof) => proof !== latest);
  assert.deepEqual(latest.stays, [{ what: `CBT metadata ${base}`, why: 'the next run counts changes from it' }]);
  assert.deepEqual(latest.removed, [`data of ${latest.created[0]}`, first.created[0]]);
  assert.deepEqual(latest.left, []);
});
