import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Simulator, startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';
import { ApiClient, hostError } from './api-client.ts';
import { NbdBytes } from './nbd-bytes.ts';

let pool: Simulator;
let client: ApiClient;
before(async () => {
  pool = await startSimulator({ timings: FAST_TIMINGS });
  client = await ApiClient.login(pool);
});
after(() => pool.stop());

test('a host that is still booting accepts logins and nothing else', async () => {
  pool.faults.hostStillBooting = true;
  const early = await ApiClient.login(pool);
  await assert.rejects(early.call('pool.get_all'), hostError('HOST_STILL_BOOTING'));
  pool.faults.hostStillBooting = false;
  await early.call('pool.get_all');
});

test('requests can be closed unread', async () => {
  pool.faults.refusedRequests = 1;
  await assert.rejects(client.call('task.create', 'never', ''), /socket hang up|ECONNRESET/);
  assert.deepEqual(await client.call('task.get_by_name_label', 'never'), []);
});

test('NBD connections can be refused before the greeting, or greeted late', async () => {
  pool.faults.nbdRefuses = true;
  const refused = await NbdBytes.open(pool);
  assert.equal((await refused.rest()).length, 0);
  pool.faults.nbdRefuses = false;
  pool.faults.nbdGreetingDelayMs = 60;
  const started = performance.now();
  const late = await NbdBytes.open(pool);
  assert.equal((await late.take(18)).length, 18);
  assert.ok(performance.now() - started >= 55);
  pool.faults.nbdGreetingDelayMs = 0;
  refused.end();
  late.end();
});

test('the result of a void task is empty or an empty value', async () => {
  const { vdis } = await pool.addVm({ name: 'vm', disks: [{ sizeBytes: 4_194_304 }] });
  const vdi = await client.call('VDI.get_by_uuid', vdis[0]);
  assert.equal(await client.task('VDI.enable_cbt', vdi), '');
  pool.faults.wrappedVoidResults = true;
  assert.equal(await client.task('VDI.enable_cbt', vdi), '<value></value>');
  pool.faults.wrappedVoidResults = false;
});

test('an unreachable or missing storage repository is told apart', async () => {
  const { vdis } = await pool.addVm({ name: 'vm', disks: [{ sizeBytes: 4_194_304 }] });
  const vdi = await client.call('VDI.get_by_uuid', vdis[0]);
  const sr = await client.call('VDI.get_SR', vdi);
  const [pbd] = await client.call('SR.get_PBDs', sr);
  await client.call('PBD.unplug', pbd);
  await assert.rejects(client.call('VDI.enable_cbt', vdi), hostError('SR_NOT_ATTACHED', sr));
  await client.call('PBD.plug', pbd);
  pool.world.db.VDI.update(vdi, { missing: true });
  await assert.rejects(client.call('VDI.enable_cbt', vdi), hostError('VDI_MISSING', sr, vdi));
});

test('a storage repository of volumes refuses disks for which it has no room', async () => {
  const srs = [{ name: 'small', type: 'lvm', physicalBytes: 8_388_608 }];
  await using small = await startSimulator({ timings: FAST_TIMINGS, srs });
  const api = await ApiClient.login(small);
  const [sr] = await api.call('SR.get_all');
  const disk = (bytes: number) =>
    api.call('VDI.create', { SR: sr, name_label: 'd', virtual_size: String(bytes), type: 'user' });
  assert.equal(
    await api.call('VDI.get_virtual_size', await disk(4_194_305)),
    6_291_456,
    'sizes are whole multiples of 2 MiB',
  );
  await assert.rejects(disk(4_194_304), hostError('SR_FULL'));
});

test('disks that reset on boot and shared disks have no snapshots, and a CD drive is an empty VBD', async () => {
  const { uuid, vdis } = await pool.addVm({ name: 'odd', cdDrive: true, disks: [{ sizeBytes: 4_194_304 }] });
  const vdi = await client.call('VDI.get_by_uuid', vdis[0]);
  await client.call('VDI.set_on_boot', vdi, 'reset');
  await assert.rejects(client.snapshot(vdis[0]!), hostError('VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION'));
  await client.call('VDI.set_on_boot', vdi, 'persist');
  await client.call('VDI.set_sharable', vdi, true);
  await assert.rejects(client.snapshot(vdis[0]!), hostError('VDI_IS_SHARABLE', vdi));
  const vbds = await client.call('VM.get_VBDs', await client.call('VM.get_by_uuid', uuid));
  const records = await Promise.all(vbds.map((vbd: string) => client.call('VBD.get_record', vbd)));
  assert.deepEqual(
    records.map(({ type, empty }) => [type, empty]),
    [
      ['Disk', false],
      ['CD', true],
    ],
  );
});

test('a key that is already in a map is refused', async () => {
  const [self] = await client.call('pool.get_all');
  await client.call('pool.add_to_other_config', self, 'key', '1');
  await assert.rejects(
    client.call('pool.add_to_other_config', self, 'key', '2'),
    hostError('MAP_DUPLICATE_KEY', 'pool'),
  );
  await client.call('pool.remove_from_other_config', self, 'key');
  await client.call('pool.add_to_other_config', self, 'key', '2');
});
