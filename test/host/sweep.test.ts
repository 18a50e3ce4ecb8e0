import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { exportsOf, readConnection } from '#lib/backup/connection-document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { sweep } from '#lib/host/sweep.ts';
import { planSweep } from '#lib/host/sweep-plan.ts';
import { connectNbd } from '#lib/nbd/connect.ts';
import { parseDiskId, parsePackId } from '#lib/units.ts';
import { LoneSite } from '../fakes/lone-site.ts';
import { crashAt } from '../fakes/store-faults.ts';
import { assertHostClean, laterPorts, runUntilDeath, runUntilRequest, sweepSite } from './dying-site.ts';

const GRAIN = 65_536;
/** A run of one small disk makes about 65 calls of the store; the random sequences try the ones between. */
const DEATHS = [0, 1, 3, 4, 6, 9, 11, 13, 15, 17, 19, 23, 30, 36, 40, 44, 48, 52, 56, 58];
/** A run of one small disk makes about 40 requests to the host. */
const FATAL_REQUESTS = [0, 1, 3, 5, 8, 10, 12, 14, 16, 18, 20, 22, 24, 27, 30];

test('a run that dies at any call of the store is swept, and the next run restores exactly', async () => {
  await using site = await LoneSite.start();
  const vm = await site.sim.addVm({ name: 'web', disks: [{ bytes: randomBytes(4 * GRAIN) }] });
  const [vdi = ''] = vm.vdis;
  for (const [at, call] of DEATHS.entries()) {
    site.sim.write(vdi, (call % 4) * GRAIN, randomBytes(512));
    const faults = crashAt(call, at % 2 === 0 ? 'before' : 'after');
    assert.equal(await runUntilDeath(site, { vm: vm.uuid }, faults), 'died', `at call ${call}`);
    const { left } = await sweepSite(site);
    assert.deepEqual(left, [], `after a death at call ${call}`);
    assertHostClean(site, { disks: 1 });
  }
  await site.backUp(vm.uuid);
  assert.ok((await site.restore({ point: 'latest' })).equals(await site.diskBytes(vdi)));
});

test('a plan changes nothing, and says of each thing why it goes', async () => {
  await using site = await LoneSite.start();
  const vm = await site.sim.addVm({ name: 'web', disks: [{ bytes: randomBytes(4 * GRAIN) }] });
  await runUntilDeath(site, { vm: vm.uuid }, crashAt(30, 'before'));
  const [snapshot] = site.sim.counters.snapshots;
  const plan = await planSweep(laterPorts(site));
  assert.deepEqual(site.sim.counters.snapshots, [snapshot]);
  const [run] = plan.runs;
  assert.equal(run?.why, 'its execution ended without releasing the host');
  assert.deepEqual(
    run?.fates.map(({ kind, snapshot: uuid }) => ({ kind, uuid })),
    [{ kind: 'destroy', uuid: snapshot }],
  );
  assert.deepEqual(
    plan.leases.map(({ vm: leased }) => leased),
    [vm.uuid],
  );
});

test('a run whose execution lives, or that wrote a minute ago, is spared', async () => {
  await using site = await LoneSite.start();
  const vm = await site.sim.addVm({ name: 'web', disks: [{ bytes: randomBytes(GRAIN) }] });
  const input = site.request(vm.uuid);
  await site.prepare(input);
  const lives = await planSweep(laterPorts(site, { alive: new Set([input.execution]) }));
  const young = await planSweep(laterPorts(site, { hours: 0 }));
  for (const plan of [lives, young]) {
    assert.deepEqual([plan.runs, plan.leftovers, plan.leases, plan.connections, plan.uploads], [[], [], [], [], []]);
    assert.match(plan.spared[0]?.why ?? '', /it runs/);
  }
  await site.release(input);
});

test('an execution that was redriven after the plan was made keeps what it has', async () => {
  await using site = await LoneSite.start();
  const vm = await site.sim.addVm({ name: 'web', disks: [{ bytes: randomBytes(GRAIN) }] });
  const input = site.request(vm.uuid);
  await site.prepare(input);
  const plan = await planSweep(laterPorts(site));
  assert.equal(plan.runs.length, 1);
  await sweep(laterPorts(site, { alive: new Set([input.execution]) }), plan);
  assert.equal(site.sim.counters.snapshots.length, 1);
  await site.release(input);
});

test('a snapshot that an NBD client vanished from is taken from the control domain and removed', async () => {
  await using site = await LoneSite.start();
  const vm = await site.sim.addVm({ name: 'web', disks: [{ bytes: randomBytes(GRAIN) }] });
  site.sim.faults.nbdNeverUnplugs = true;
  const input = site.request(vm.uuid);
  const run = await site.prepare(input);
  const connection = await readConnection(site.store, run);
  assert.ok(connection);
  const [address] = exportsOf(connection, parseDiskId(vm.vdis[0] ?? ''));
  assert.ok(address);
  const reader = await connectNbd(address, { signal: AbortSignal.timeout(10_000) });
  assert.equal(site.sim.counters.dom0Vbds, 1);
  const { removed } = await sweepSite(site);
  assert.ok(removed.some((what) => what.startsWith('attachment of snapshot')));
  assertHostClean(site, { disks: 0 });
  await reader.close().catch(() => undefined);
});

test('a base whose disk was moved to another storage is removed, and the moved disk begins anew', async () => {
  await using site = await LoneSite.start({
    srs: [
      { name: 'a', type: 'ext' },
      { name: 'b', type: 'nfs' },
    ],
  });
  const vm = await site.sim.addVm({ name: 'web', disks: [{ bytes: randomBytes(GRAIN) }] });
  await site.backUp(vm.uuid);
  site.sim.migrate(vm.vdis[0] ?? '', 'b');
  assert.equal(site.sim.counters.cbtMetadata.length, 1);
  const plan = await planSweep(laterPorts(site));
  assert.match(plan.leftovers[0]?.fate.why ?? '', /removed, reverted or moved/);
  await sweep(laterPorts(site), plan);
  assert.deepEqual(site.sim.counters.cbtMetadata, []);
});

test('the upload of a dead reader is aborted, that of somebody else is not', async () => {
  await using site = await LoneSite.start();
  const vm = await site.sim.addVm({ name: 'web', disks: [{ bytes: randomBytes(GRAIN) }] });
  const input = site.request(vm.uuid);
  const run = await site.prepare(input);
  const pack = parsePackId('0'.repeat(32));
  const dead = await site.store.createMultipartUpload(vaultKeys.pack(parseDiskId(vm.vdis[0] ?? ''), { run, pack }));
  const foreign = await site.store.createMultipartUpload('disks/somebody-else.bin');
  await sweepSite(site);
  assert.deepEqual(
    site.bucket.uploads.under('').map(({ uploadId }) => uploadId),
    [foreign.uploadId],
  );
  assert.notEqual(dead.uploadId, foreign.uploadId);
});

test('a pool that cannot be reached is reported and does not stop the sweep', async () => {
  await using site = await LoneSite.start();
  const vm = await site.sim.addVm({ name: 'web', disks: [{ bytes: randomBytes(GRAIN) }] });
  const input = site.request(vm.uuid);
  await site.prepare(input);
  site.sim.faults.hostStillBooting = true;
  const plan = await planSweep(laterPorts(site));
  assert.match(plan.unexamined.find(({ what }) => what === 'pool lab')?.why ?? '', /Wait until the host is up/);
  const { left } = await sweep(laterPorts(site), plan);
  assert.deepEqual(left, plan.unexamined, 'the sweep counts what it could not look at as left');
  site.sim.faults.hostStillBooting = false;
  await site.release(input);
});

test('what a pool upgrade kept on the host is named in the record, and the sweep takes it away afterwards', async () => {
  await using site = await LoneSite.start();
  const vm = await site.sim.addVm({ name: 'web', disks: [{ bytes: randomBytes(GRAIN) }] });
  const input = site.request(vm.uuid);
  await site.prepare(input);
  site.sim.faults.poolUpgrading = true;
  assert.equal((await site.release(input)).left, 1);
  site.sim.faults.poolUpgrading = false;
  const plan = await planSweep(laterPorts(site));
  assert.match(plan.runs[0]?.why ?? '', /^its release left snapshot [0-9a-f-]{36} on the host$/);
  await sweep(laterPorts(site), plan);
  assertHostClean(site, { disks: 0 });
  assert.deepEqual((await planSweep(laterPorts(site))).runs, []);
});

test('a run that dies at any request to the host is swept, and the next run restores exactly', async () => {
  await using site = await LoneSite.start();
  const vm = await site.sim.addVm({ name: 'web', disks: [{ bytes: randomBytes(4 * GRAIN) }] });
  const [vdi = ''] = vm.vdis;
  for (const [at, request] of FATAL_REQUESTS.entries()) {
    site.sim.write(vdi, (request % 4) * GRAIN, randomBytes(512));
    const death = { request, moment: at % 2 === 0 ? 'after' : 'before' } as const;
    assert.equal(await runUntilRequest(site, { vm: vm.uuid }, death), 'died', `at request ${request}`);
    assert.deepEqual((await sweepSite(site)).left, [], `after a death at request ${request}`);
    assertHostClean(site, { disks: 1 });
  }
  await site.backUp(vm.uuid);
  assert.ok((await site.restore({ point: 'latest' })).equals(await site.diskBytes(vdi)));
});
