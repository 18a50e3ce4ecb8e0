import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Simulator, startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';
import { ApiClient, hostError } from './api-client.ts';

const MIB = 1_048_576;
const SRS = [
  { name: 'files', type: 'ext' },
  { name: 'newer driver', type: 'nfs', driverFeatures: ['VDI_REVERT'] },
];
const OPERATOR = { username: 'operator', password: 'operator', role: 'vm-operator' } as const;
const ADMINISTRATOR = { username: 'admin', password: 'admin', role: 'vm-admin' } as const;

let pool: Simulator;
let client: ApiClient;
before(async () => {
  pool = await startSimulator({ timings: FAST_TIMINGS, srs: SRS, users: [OPERATOR, ADMINISTRATOR] });
  client = await ApiClient.login(pool);
});
after(() => pool.stop());

/** A running VM with one tracked disk, a snapshot of it with `old` at its start, and `new` there since. */
async function vmWithSnapshot(sr: string) {
  const added = await pool.addVm({ name: 'vm', disks: [{ sizeBytes: MIB, sr }] });
  const [uuid = ''] = added.vdis;
  const vm = await client.call('VM.get_by_uuid', added.uuid);
  const disk = await client.call('VDI.get_by_uuid', uuid);
  await client.call('VDI.enable_cbt', disk);
  pool.write(uuid, 0, Buffer.from('old'));
  const vmSnapshot = await client.call('VM.snapshot', vm, 'before', []);
  const [vbd] = await client.call('VM.get_VBDs', vmSnapshot);
  const snapshot = await client.call('VBD.get_VDI', vbd);
  pool.write(uuid, 0, Buffer.from('new'));
  return { vm, uuid, disk, vmSnapshot, snapshot };
}

async function diskOf(vm: string) {
  const [vbd] = await client.call('VM.get_VBDs', vm);
  const ref = await client.call('VBD.get_VDI', vbd);
  const { uuid, cbt_enabled } = await client.call('VDI.get_record', ref);
  return { ref, uuid, cbt_enabled, text: (await pool.read(uuid, 0, 3)).toString() };
}

test('VM.revert without VDI_REVERT replaces the disk by an untracked clone that owns the snapshots', async () => {
  const { vm, uuid, vmSnapshot, snapshot } = await vmWithSnapshot('files');
  await client.call('VM.revert', vmSnapshot);
  const now = await diskOf(vm);
  assert.notEqual(now.uuid, uuid);
  assert.deepEqual([now.cbt_enabled, now.text], [false, 'old']);
  assert.equal(await client.call('VDI.get_snapshot_of', snapshot), now.ref);
  await assert.rejects(client.call('VDI.get_by_uuid', uuid), hostError('UUID_INVALID', 'VDI', uuid));
  assert.equal(await client.call('VM.get_power_state', vm), 'Halted');
});

test('VM.revert with VDI_REVERT keeps the uuid of the disk, but its changes cannot be told from older snapshots', async () => {
  const { vm, uuid, disk, vmSnapshot, snapshot } = await vmWithSnapshot('newer driver');
  await client.call('VM.revert', vmSnapshot);
  assert.deepEqual(await diskOf(vm), { ref: disk, uuid, cbt_enabled: true, text: 'old' });
  const later = await client.snapshot(uuid);
  await assert.rejects(
    client.call('VDI.list_changed_blocks', snapshot, later.ref),
    hostError('SR_BACKEND_FAILURE_460'),
  );
});

test('VDI.revert puts the content of one detached disk back; attached, it is in use', async () => {
  const { vm, uuid, disk, snapshot } = await vmWithSnapshot('newer driver');
  await assert.rejects(client.call('VDI.revert', snapshot), hostError('VDI_IN_USE', disk, 'revert'));
  await client.call('VM.hard_shutdown', vm);
  await client.call('VDI.revert', snapshot);
  assert.deepEqual(await diskOf(vm), { ref: disk, uuid, cbt_enabled: true, text: 'old' });
});

test('VDI.revert works as a task too', async () => {
  const { vm, snapshot } = await vmWithSnapshot('newer driver');
  await client.call('VM.hard_shutdown', vm);
  assert.equal(await client.task('VDI.revert', snapshot), '');
  assert.equal((await diskOf(vm)).text, 'old');
});

test('VDI.revert is refused by a driver without VDI_REVERT, and of a disk that is no snapshot', async () => {
  const old = await vmWithSnapshot('files');
  const sr = await client.call('VDI.get_SR', old.disk);
  await assert.rejects(client.call('VDI.revert', old.snapshot), hostError('SR_OPERATION_NOT_SUPPORTED', sr));
  await assert.rejects(client.call('VDI.revert', old.disk), hostError('OPERATION_NOT_ALLOWED'));
  const operations = (name: string) =>
    client.call('SR.get_by_name_label', name).then(([ref]) => client.call('SR.get_allowed_operations', ref));
  assert.equal((await operations('files')).includes('vdi_revert'), false);
  assert.equal((await operations('newer driver')).includes('vdi_revert'), true);
});

test('VDI.revert needs a VM administrator, VM.revert a VM power administrator', async () => {
  const { vmSnapshot, snapshot } = await vmWithSnapshot('newer driver');
  const operator = await ApiClient.login(pool, OPERATOR);
  await assert.rejects(operator.call('VDI.revert', snapshot), hostError('RBAC_PERMISSION_DENIED'));
  const administrator = await ApiClient.login(pool, ADMINISTRATOR);
  await assert.rejects(administrator.call('VM.revert', vmSnapshot), hostError('RBAC_PERMISSION_DENIED'));
});
