import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Simulator, startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';
import { ApiClient, hostError } from './api-client.ts';
import { NbdBytes } from './nbd-bytes.ts';

const MIB = 1_048_576;
const BLOCK = 65_536;
let pool: Simulator;
let client: ApiClient;
before(async () => {
  pool = await startSimulator({ timings: FAST_TIMINGS });
  client = await ApiClient.login(pool);
});
after(() => pool.stop());

function changed(from: string, to: string): Promise<string> {
  return client.call('VDI.list_changed_blocks', from, to);
}

const refused = (reason: RegExp) => hostError('SR_BACKEND_FAILURE_460', '', reason, '');

test('block 0 is the most significant bit of byte 0: blocks 0 and 9 of 1 MiB are gEA=', async () => {
  const disk = await client.trackedDisk(MIB);
  const base = await client.snapshot(disk.uuid);
  pool.write(disk.uuid, 0, Buffer.from('x'));
  pool.write(disk.uuid, 9 * BLOCK + 100, Buffer.from('y'));
  assert.equal(await changed(base.ref, (await client.snapshot(disk.uuid)).ref), 'gEA=');
});

test('sizes are rounded up to blocks and bytes, and padding bits are zero', async () => {
  const disk = await client.trackedDisk(9 * BLOCK + 512);
  const base = await client.snapshot(disk.uuid);
  pool.write(disk.uuid, 0, Buffer.alloc(9 * BLOCK + 512, 1));
  const bitmap = Buffer.from(await changed(base.ref, (await client.snapshot(disk.uuid)).ref), 'base64');
  assert.equal(bitmap.toString('hex'), 'ffc0');
});

test('a write of one byte across a border marks both blocks, and equal content is marked as well', async () => {
  const disk = await client.trackedDisk(MIB);
  const base = await client.snapshot(disk.uuid);
  pool.write(disk.uuid, BLOCK - 1, Buffer.alloc(2));
  assert.equal(await changed(base.ref, (await client.snapshot(disk.uuid)).ref), 'wAA=');
});

test('changes over several snapshots add up, and destroying one in between keeps the chain', async () => {
  const disk = await client.trackedDisk(MIB);
  const snapshots: { ref: string }[] = [];
  for (let block = 0; block < 4; block += 1) {
    pool.write(disk.uuid, block * BLOCK, Buffer.from('x'));
    snapshots.push(await client.snapshot(disk.uuid));
  }
  const [first, second, third, last] = snapshots.map(({ ref }) => ref);
  assert.equal(await changed(first!, last!), 'cAA=');
  await client.call('VDI.destroy', second);
  await client.call('VDI.data_destroy', third);
  assert.equal(await changed(first!, last!), 'cAA=');
  await client.call('VDI.destroy', third);
  assert.equal(await changed(first!, last!), 'cAA=');
});

test('the same disk, the wrong order, other disks and untracked ones are 460', async () => {
  const disk = await client.trackedDisk(MIB);
  const other = await client.trackedDisk(MIB);
  const [a, b, c] = [
    await client.snapshot(disk.uuid),
    await client.snapshot(disk.uuid),
    await client.snapshot(other.uuid),
  ];
  await assert.rejects(changed(a.ref, a.ref), refused(/Source and target VDI are same/));
  await assert.rejects(changed(b.ref, a.ref), refused(/Source and target VDI are unrelated/));
  await assert.rejects(changed(a.ref, c.ref), refused(/unrelated/));
  const { vdis } = await pool.addVm({ name: 'plain', disks: [{ sizeBytes: MIB }] });
  await assert.rejects(changed(a.ref, (await client.snapshot(vdis[0]!)).ref), refused(/unrelated/));
});

test('destroying the base loses it for good', async () => {
  const disk = await client.trackedDisk(MIB);
  const base = await client.snapshot(disk.uuid);
  const next = await client.snapshot(disk.uuid);
  await client.call('VDI.destroy', base.ref);
  await assert.rejects(changed(base.ref, next.ref), hostError('HANDLE_INVALID', 'VDI', base.ref));
});

test('switching tracking off and on starts a new set; the old snapshots stay comparable with each other', async () => {
  const disk = await client.trackedDisk(MIB);
  const [a, b] = [await client.snapshot(disk.uuid), await client.snapshot(disk.uuid)];
  await client.call('VDI.disable_cbt', disk.ref);
  await client.call('VDI.disable_cbt', disk.ref);
  assert.equal(await client.call('VDI.get_cbt_enabled', disk.ref), false);
  assert.equal(await client.call('VDI.get_cbt_enabled', a.ref), true);
  await client.call('VDI.enable_cbt', disk.ref);
  await client.call('VDI.enable_cbt', disk.ref);
  const c = await client.snapshot(disk.uuid);
  assert.equal(await changed(a.ref, b.ref), 'AAA=');
  await assert.rejects(changed(b.ref, c.ref), refused(/unrelated/));
  const [vbd] = await client.call('VDI.get_VBDs', disk.ref);
  await client.call('VM.hard_shutdown', await client.call('VBD.get_VM', vbd));
  await assert.rejects(changed(b.ref, disk.ref), refused(/unrelated/));
});

test('growth counts as unchanged until it is written, and a shrunken disk is 459', async () => {
  const disk = await client.trackedDisk(MIB);
  const base = await client.snapshot(disk.uuid);
  await client.call('VDI.resize', disk.ref, String(2 * MIB));
  pool.write(disk.uuid, 2 * MIB - 1, Buffer.from('x'));
  const grown = await client.snapshot(disk.uuid);
  assert.equal(Buffer.from(await changed(base.ref, grown.ref), 'base64').toString('hex'), '00000001');
  pool.resize(disk.uuid, MIB);
  await assert.rejects(changed(grown.ref, (await client.snapshot(disk.uuid)).ref), hostError('SR_BACKEND_FAILURE_459'));
});

test('while NBD has the newer disk open, its changes cannot be listed; the older one may be open', async () => {
  const disk = await client.trackedDisk(MIB);
  const [base, next] = [await client.snapshot(disk.uuid), await client.snapshot(disk.uuid)];
  const open = async (uuid: string) => (await NbdBytes.attached(pool, `/${uuid}?session_id=${client.session}`)).client;
  const older = await open(base.uuid);
  assert.equal(await changed(base.ref, next.ref), 'AAA=');
  const newer = await open(next.uuid);
  await assert.rejects(changed(base.ref, next.ref), hostError('VDI_IN_USE', next.ref, 'list_changed_blocks'));
  for (const nbd of [older, newer]) {
    nbd.request({ type: 2 });
    await nbd.rest();
  }
  assert.equal(await changed(base.ref, next.ref), 'AAA=');
});

test('VDI_IN_USE comes with two, one or no parameters', async () => {
  const disk = await client.trackedDisk(MIB);
  const base = await client.snapshot(disk.uuid);
  const expected = { 'vdi and operation': [disk.ref, 'list_changed_blocks'], vdi: [disk.ref], none: [] };
  for (const [variant, params] of Object.entries(expected)) {
    pool.faults.vdiInUseParameters = variant as keyof typeof expected;
    await assert.rejects(changed(base.ref, disk.ref), (error: { params: string[] }) => {
      assert.deepEqual(error.params, params);
      return true;
    });
  }
  pool.faults.vdiInUseParameters = 'vdi and operation';
});

test('comparing disks of different storage repositories is an internal error', async () => {
  await using two = await startSimulator({
    timings: FAST_TIMINGS,
    srs: [
      { name: 'a', type: 'ext' },
      { name: 'b', type: 'nfs' },
    ],
  });
  const api = await ApiClient.login(two);
  const snapshots: string[] = [];
  for (const sr of ['a', 'b']) {
    const { vdis } = await two.addVm({ name: sr, disks: [{ sizeBytes: MIB, sr }] });
    await api.call('VDI.enable_cbt', await api.call('VDI.get_by_uuid', vdis[0]));
    snapshots.push((await api.snapshot(vdis[0]!)).ref);
  }
  await assert.rejects(api.call('VDI.list_changed_blocks', ...snapshots), hostError('INTERNAL_ERROR'));
});

test('tracking needs a driver that announces it, a licence, and a disk that is neither a snapshot nor special', async () => {
  const { vdis } = await pool.addVm({
    name: 'odd',
    disks: [
      { sizeBytes: MIB, sr: 'Volumes without CBT' },
      { sizeBytes: MIB, type: 'suspend' },
    ],
  });
  const [untracked, suspend] = await Promise.all(vdis.map((uuid) => client.call('VDI.get_by_uuid', uuid)));
  const sr = await client.call('VDI.get_SR', untracked);
  await assert.rejects(client.call('VDI.enable_cbt', untracked), hostError('SR_OPERATION_NOT_SUPPORTED', sr));
  await assert.rejects(client.call('VDI.enable_cbt', suspend), hostError('VDI_INCOMPATIBLE_TYPE', suspend, 'Suspend'));
  const disk = await client.trackedDisk(MIB);
  const { ref } = await client.snapshot(disk.uuid);
  await assert.rejects(
    client.call('VDI.enable_cbt', ref),
    hostError('OPERATION_NOT_ALLOWED', `VDI is a snapshot: ${ref}`),
  );
  pool.faults.cbtRestricted = true;
  await assert.rejects(client.call('VDI.enable_cbt', disk.ref), hostError('LICENCE_RESTRICTION', 'CBT'));
  const [self] = await client.call('pool.get_all');
  assert.equal((await client.call('pool.get_restrictions', self)).restrict_cbt, 'true');
  pool.faults.cbtRestricted = false;
});

test('capability shows in SR.allowed_operations and SM.features, never in VDI.allowed_operations', async () => {
  const disk = await client.trackedDisk(MIB);
  const operations: string[] = await client.call('VDI.get_allowed_operations', disk.ref);
  assert.ok(operations.every((name) => !/cbt|data_destroy|changed/.test(name)));
  const features = Object.values(await client.call('SM.get_all_records')) as { type: string; features: object }[];
  const tracked = features.filter((sm) => 'VDI_CONFIG_CBT' in sm.features).map((sm) => sm.type);
  assert.deepEqual(tracked.sort(), ['ext', 'lvm', 'nfs']);
});

test('snapshots made with driver parameters, or while tracking is being switched on, have no log', async () => {
  const disk = await client.trackedDisk(MIB);
  const single = await client.call('VDI.snapshot', disk.ref, { type: 'single' });
  assert.equal(await client.call('VDI.get_cbt_enabled', single), false);
  pool.faults.snapshotWithoutCbt = true;
  assert.equal(await client.call('VDI.get_cbt_enabled', (await client.snapshot(disk.uuid)).ref), false);
  pool.faults.snapshotWithoutCbt = false;
});

test('the classic revert gives a new disk without tracking; the newer one keeps the uuid but not the chain', async () => {
  const disk = await client.trackedDisk(MIB);
  const first = await client.snapshot(disk.uuid);
  pool.write(disk.uuid, 0, Buffer.from('later'));
  const second = await client.snapshot(disk.uuid);
  assert.equal(pool.revert(disk.uuid, first.uuid, { keepUuid: true }), disk.uuid);
  assert.deepEqual(await pool.read(disk.uuid, 0, 5), Buffer.alloc(5));
  const third = await client.snapshot(disk.uuid);
  await assert.rejects(changed(second.ref, third.ref), hostError('SR_BACKEND_FAILURE_460'));
  assert.equal(await changed(third.ref, (await client.snapshot(disk.uuid)).ref), 'AAA=');
  const replacement = pool.revert(disk.uuid, second.uuid);
  assert.notEqual(replacement, disk.uuid);
  const ref = await client.call('VDI.get_by_uuid', replacement);
  assert.equal(await client.call('VDI.get_cbt_enabled', ref), false);
  assert.equal(await client.call('VDI.get_snapshot_of', first.ref), ref);
  assert.equal((await pool.read(replacement, 0, 5)).toString(), 'later');
});

test('storage migration is refused while tracking is on; tools that switch it off get a new disk', async () => {
  const disk = await client.trackedDisk(MIB);
  const [sr] = await client.call('SR.get_by_name_label', 'Volumes without CBT');
  await assert.rejects(client.call('VDI.pool_migrate', disk.ref, sr, {}), hostError('VDI_CBT_ENABLED', disk.ref));
  const moved = pool.migrate(disk.uuid, 'Volumes without CBT');
  assert.equal(await client.call('VDI.get_SR', await client.call('VDI.get_by_uuid', moved)), sr);
  await assert.rejects(client.call('VDI.get_by_uuid', disk.uuid), hostError('UUID_INVALID', 'VDI', disk.uuid));
});

test('during an upgrade of the pool every storage call is refused', async () => {
  const disk = await client.trackedDisk(MIB);
  const [a, b] = [await client.snapshot(disk.uuid), await client.snapshot(disk.uuid)];
  pool.faults.poolUpgrading = true;
  for (const call of [
    () => changed(a.ref, b.ref),
    () => client.call('VDI.data_destroy', a.ref),
    () => client.snapshot(disk.uuid),
  ]) {
    await assert.rejects(call(), hostError('NOT_SUPPORTED_DURING_UPGRADE'));
  }
  pool.faults.poolUpgrading = false;
});

test('a bitmap can come back too short', async () => {
  const disk = await client.trackedDisk(MIB);
  const [a, b] = [await client.snapshot(disk.uuid), await client.snapshot(disk.uuid)];
  pool.faults.truncatedBitmap = true;
  assert.equal(await changed(a.ref, b.ref), 'AA==');
  pool.faults.truncatedBitmap = false;
});
