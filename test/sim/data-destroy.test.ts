import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Simulator, startSimulator } from '#sim/simulator.ts';
import { FAITHFUL_TIMINGS, FAST_TIMINGS } from '#sim/timings.ts';
import { ApiClient, hostError } from './api-client.ts';
import { NbdBytes } from './nbd-bytes.ts';

const MIB = 1_048_576;
const WAIT_MS = 120;
let pool: Simulator;
let client: ApiClient;
let disk: { uuid: string; ref: string };
before(async () => {
  pool = await startSimulator({ timings: { ...FAST_TIMINGS, dataDestroyWaitMs: WAIT_MS, unplugMs: 40 } });
  client = await ApiClient.login(pool);
  const { vdis } = await pool.addVm({
    name: 'vm',
    disks: [{ bytes: Buffer.alloc(4 * MIB, 1) }, { sizeBytes: 4 * MIB }],
  });
  disk = { uuid: vdis[0]!, ref: await client.call('VDI.get_by_uuid', vdis[0]) };
  await client.call('VDI.enable_cbt', disk.ref);
});
after(() => pool.stop());

test('a real host waits 4 seconds for VBDs and takes 1 to 5 to unplug', () => {
  assert.equal(FAITHFUL_TIMINGS.dataDestroyWaitMs, 4000);
  assert.deepEqual(FAITHFUL_TIMINGS.unplugMs, [1000, 5000]);
});

test('data_destroy keeps the record and the log, drops the data, and may be repeated', async () => {
  const snapshot = await client.snapshot(disk.uuid);
  await client.call('VDI.data_destroy', snapshot.ref);
  await client.call('VDI.data_destroy', snapshot.ref);
  const record = await client.call('VDI.get_record', snapshot.ref);
  assert.deepEqual(
    [record.type, record.uuid, record.snapshot_of, record.cbt_enabled],
    ['cbt_metadata', snapshot.uuid, disk.ref, true],
  );
  assert.equal(record.virtual_size, 4 * MIB);
  await assert.rejects(
    client.call('VDI.get_nbd_info', snapshot.ref),
    hostError('VDI_INCOMPATIBLE_TYPE', snapshot.ref, 'CBT metadata'),
  );
  await client.call('VDI.list_changed_blocks', snapshot.ref, (await client.snapshot(disk.uuid)).ref);
});

test('the live disk and a snapshot without a log are refused', async () => {
  await assert.rejects(
    client.call('VDI.data_destroy', disk.ref),
    hostError('OPERATION_NOT_ALLOWED', `VDI is not a snapshot: ${disk.ref}`),
  );
  pool.faults.snapshotWithoutCbt = true;
  const { ref } = await client.snapshot(disk.uuid);
  pool.faults.snapshotWithoutCbt = false;
  await assert.rejects(client.call('VDI.data_destroy', ref), hostError('VDI_NO_CBT_METADATA', ref));
});

test('data_destroy waits for a late unplug, and gives up when it takes too long', async () => {
  const snapshot = await client.snapshot(disk.uuid);
  const { client: nbd } = await NbdBytes.attached(pool, `/${snapshot.uuid}?session_id=${client.session}`);
  const started = performance.now();
  const waiting = client.call('Async.VDI.data_destroy', snapshot.ref);
  const task = await waiting;
  assert.equal(
    await client.call('VDI.get_type', snapshot.ref),
    'cbt_metadata',
    'others see the type change during the wait',
  );
  const { error_info } = await client.finished(task);
  assert.deepEqual(error_info, ['VDI_IN_USE', snapshot.ref, 'data_destroy']);
  assert.ok(performance.now() - started >= WAIT_MS);
  assert.equal(await client.call('VDI.get_type', snapshot.ref), 'user', 'the type is put back');
  nbd.request({ type: 2 });
  await client.call('VDI.data_destroy', snapshot.ref);
  assert.equal(pool.counters.dom0Vbds, 0);
});

test('a client that vanishes keeps slot and VBD until they are removed through the API', async () => {
  const snapshot = await client.snapshot(disk.uuid);
  pool.faults.nbdNeverUnplugs = true;
  const { client: nbd } = await NbdBytes.attached(pool, `/${snapshot.uuid}?session_id=${client.session}`);
  nbd.end();
  await assert.rejects(client.call('VDI.data_destroy', snapshot.ref), hostError('VDI_IN_USE'));
  await assert.rejects(client.call('VDI.destroy', snapshot.ref), hostError('VDI_IN_USE', snapshot.ref, 'destroy'));
  const [vbd] = await client.call('VDI.get_VBDs', snapshot.ref);
  await client.call('VBD.unplug', vbd);
  await client.call('VBD.destroy', vbd);
  pool.faults.nbdNeverUnplugs = false;
  await client.call('VDI.data_destroy', snapshot.ref);
});

test('a snapshot VM owns a VBD of its disks, so it has to go first; its disks stay', async () => {
  const [vm] = await client.call('VM.get_by_name_label', 'vm');
  const ignored = (await client.call('VM.get_VBDs', vm)).map((vbd: string) => client.call('VBD.get_VDI', vbd));
  const other = (await Promise.all(ignored)).filter((vdi) => vdi !== disk.ref);
  const snapshotVm = await client.call('VM.snapshot', vm, 'nightly', other);
  const vbds = await client.call('VM.get_VBDs', snapshotVm);
  assert.equal(vbds.length, 1);
  const vdi = await client.call('VBD.get_VDI', vbds[0]);
  await assert.rejects(client.call('VDI.data_destroy', vdi), hostError('VDI_IN_USE', vdi, 'data_destroy'));
  await client.call('VM.destroy', snapshotVm);
  await client.call('VDI.data_destroy', vdi);
  assert.equal(await client.call('VDI.get_type', vdi), 'cbt_metadata');
});

test('a VM snapshot that fails at one disk removes what it had made', async () => {
  const before = pool.counters.snapshots;
  const [vm] = await client.call('VM.get_by_name_label', 'vm');
  const vdis: string[] = await Promise.all(
    (await client.call('VM.get_VBDs', vm)).map((vbd: string) => client.call('VBD.get_VDI', vbd)),
  );
  await client.call('VDI.set_name_label', vdis[1], 'second');
  pool.world.db.VDI.update(vdis[1]!, { sharable: true });
  await assert.rejects(client.call('VM.snapshot', vm, 'fails'), hostError('VDI_IS_SHARABLE', vdis[1]!));
  pool.world.db.VDI.update(vdis[1]!, { sharable: false });
  assert.deepEqual(pool.counters.snapshots, before);
  assert.deepEqual(pool.counters.vmSnapshots, []);
});

test('a scan can overwrite the size of a disk without data', async () => {
  pool.faults.scanOverwritesSize = true;
  const { ref } = await client.snapshot(disk.uuid);
  await client.call('VDI.data_destroy', ref);
  pool.faults.scanOverwritesSize = false;
  assert.equal(await client.call('VDI.get_virtual_size', ref), 48 + 8);
});
