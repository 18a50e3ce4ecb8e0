import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Simulator, startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';
import { ApiClient, hostError } from './api-client.ts';

async function snapshotOn(pool: Simulator) {
  const client = await ApiClient.login(pool);
  const { vdis } = await pool.addVm({ name: 'vm', disks: [{ sizeBytes: 4_194_304 }] });
  return { client, snapshot: await client.snapshot(vdis[0]!) };
}

test('there is one record per host with the storage, per NBD network, per address', async () => {
  const networks = [{ name: 'backup', purposes: ['nbd'] as const }, { name: 'lan' }];
  await using pool = await startSimulator({ timings: FAST_TIMINGS, networks, supporters: 1 });
  const { client, snapshot } = await snapshotOn(pool);
  const infos = await client.call('VDI.get_nbd_info', snapshot.ref);
  assert.deepEqual(
    infos.map((info: { address: string }) => info.address),
    ['127.0.0.1', '127.0.0.2'],
  );
  for (const info of infos) {
    assert.equal(info.exportname, `/${snapshot.uuid}?session_id=${client.session}`);
    assert.deepEqual([info.port, info.cert, info.subject], [pool.nbdPort, pool.certificatePem, 'xenhost1.test']);
  }
  const [first] = await client.call('PBD.get_all');
  await client.call('PBD.unplug', first);
  const left = await client.call('VDI.get_nbd_info', snapshot.ref);
  assert.deepEqual(
    left.map((info: { address: string }) => info.address),
    ['127.0.0.2'],
  );
});

test('IPv6 addresses keep their prefix length', async () => {
  const networks = [{ name: 'six', purposes: ['nbd'] as const, ipv6: ['fd00::7/64'] }];
  await using pool = await startSimulator({ timings: FAST_TIMINGS, networks, faults: { ipv6InNbdInfo: true } });
  const { client, snapshot } = await snapshotOn(pool);
  const infos: { address: string }[] = await client.call('VDI.get_nbd_info', snapshot.ref);
  assert.deepEqual(
    infos.map((info) => info.address),
    ['127.0.0.1', 'fd00::7/64', 'fd00::5/64'],
  );
});

test('no NBD network means an empty answer and no error', async () => {
  await using pool = await startSimulator({ timings: FAST_TIMINGS });
  const { client, snapshot } = await snapshotOn(pool);
  pool.faults.emptyNbdInfo = true;
  assert.deepEqual(await client.call('VDI.get_nbd_info', snapshot.ref), []);
  pool.faults.emptyNbdInfo = false;
  const [network] = await client.call('network.get_all');
  await client.call('network.remove_purpose', network, 'nbd');
  await client.call('network.remove_purpose', network, 'nbd');
  assert.deepEqual(await client.call('VDI.get_nbd_info', snapshot.ref), []);
});

test('one dead host fails the whole call', async () => {
  await using pool = await startSimulator({ timings: FAST_TIMINGS, faults: { hostOffline: true } });
  const { client, snapshot } = await snapshotOn(pool);
  await assert.rejects(client.call('VDI.get_nbd_info', snapshot.ref), hostError('HOST_OFFLINE', /^OpaqueRef:/));
});

test('secure and insecure NBD cannot coexist in the pool, and an unmanaged network gets neither', async () => {
  const networks = [{ name: 'a', purposes: ['nbd'] as const }, { name: 'b' }, { name: 'c', managed: false }];
  await using pool = await startSimulator({ timings: FAST_TIMINGS, networks });
  const { client } = await snapshotOn(pool);
  const [a, b, c] = await client.call('network.get_all');
  await client.call('network.add_purpose', a, 'nbd');
  const clash = hostError('NETWORK_INCOMPATIBLE_PURPOSES', 'insecure_nbd', 'nbd');
  await assert.rejects(client.call('network.add_purpose', b, 'insecure_nbd'), clash);
  await assert.rejects(client.call('network.add_purpose', c, 'nbd'), hostError('NETWORK_UNMANAGED', c));
});
