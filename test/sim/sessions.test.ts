import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Simulator, startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';
import { ApiClient, callAt, hostError, rawCall } from './api-client.ts';

const operator = { username: 'olga', password: 'o', role: 'vm-operator' } as const;
let pool: Simulator;
before(async () => {
  pool = await startSimulator({ timings: FAST_TIMINGS, users: [operator] });
});
after(() => pool.stop());

test('a wrong password is answered late and with the user name', async () => {
  await using slow = await startSimulator({ timings: { ...FAST_TIMINGS, badPasswordMs: 150 } });
  const started = performance.now();
  const login = ApiClient.login(slow, { username: 'root', password: 'wrong' });
  await assert.rejects(login, hostError('SESSION_AUTHENTICATION_FAILED', 'root'));
  assert.ok(performance.now() - started >= 145);
});

test('a session that was logged out, expired or never existed is SESSION_INVALID', async () => {
  const client = await ApiClient.login(pool);
  await client.call('session.logout');
  await assert.rejects(client.call('pool.get_all'), hostError('SESSION_INVALID', client.session));
  const second = await ApiClient.login(pool);
  pool.expireSessions();
  await assert.rejects(second.call('pool.get_all'), hostError('SESSION_INVALID'));
});

test('a session nobody used for a day is forgotten, unless a task of it still runs', async () => {
  const idle = await ApiClient.login(pool);
  const busy = await ApiClient.login(pool);
  // A use within ten minutes of the last one is not written down, so the task is younger than the session's last use.
  pool.advanceClock(9 * 60_000);
  await busy.call('task.create', 'still running', '');
  pool.advanceClock(23 * 3_600_000 + 52 * 60_000);
  const other = await ApiClient.login(pool);
  await other.call('pool.get_all');
  await assert.rejects(idle.call('pool.get_all'), hostError('SESSION_INVALID'));
  await busy.call('pool.get_all');
});

test('beyond 500 sessions of one originator the least recently used one is destroyed silently', async () => {
  const first = await ApiClient.login(pool, pool.credentials, 'crowd');
  for (let count = 0; count < 500; count += 1) {
    pool.advanceClock(1);
    await rawCall(pool, 'session.login_with_password', [
      pool.credentials.username,
      pool.credentials.password,
      '1.0',
      'crowd',
    ]);
  }
  await assert.rejects(first.call('pool.get_all'), hostError('SESSION_INVALID'));
});

test('a role that is too weak is refused by the name of the permission, in lower case', async () => {
  const client = await ApiClient.login(pool, operator);
  const { vdis } = await pool.addVm({ name: 'vm', disks: [{ sizeBytes: 4_194_304 }] });
  const vdi = await client.call('VDI.get_by_uuid', vdis[0]);
  await assert.rejects(client.call('VDI.snapshot', vdi, {}), hostError('RBAC_PERMISSION_DENIED', 'vdi.snapshot'));
  await assert.rejects(client.call('network.add_purpose', vdi, 'nbd'), hostError('RBAC_PERMISSION_DENIED'));
});

test('a supporter answers HOST_IS_SLAVE with the bare address of the coordinator, at login and later', async () => {
  await using two = await startSimulator({ timings: FAST_TIMINGS, supporters: 1 });
  const [url] = two.supporterUrls;
  const { username, password } = two.credentials;
  const login = { url: url!, method: 'session.login_with_password', params: [username, password] };
  await assert.rejects(callAt(two, login), hostError('HOST_IS_SLAVE', '127.0.0.1'));
  const client = await ApiClient.login(two);
  const later = { url: url!, method: 'pool.get_all', params: [client.session] };
  await assert.rejects(callAt(two, later), hostError('HOST_IS_SLAVE', '127.0.0.1'));
});

test('wrong arity names the method and counts parameters without the session', async () => {
  const client = await ApiClient.login(pool);
  const expected = hostError('MESSAGE_PARAMETER_COUNT_MISMATCH', 'VDI.list_changed_blocks', '2', '1');
  await assert.rejects(client.call('VDI.list_changed_blocks', 'a'), expected);
});

test('getters and get_nbd_info have no Async form', async () => {
  const client = await ApiClient.login(pool);
  for (const method of ['Async.VDI.get_nbd_info', 'Async.VDI.get_uuid']) {
    await assert.rejects(client.call(method, 'x'), hostError('MESSAGE_METHOD_UNKNOWN', method));
  }
});

test('a host before 7.3 knows no CBT and its VM.snapshot takes no list of disks', async () => {
  await using old = await startSimulator({ timings: FAST_TIMINGS, faults: { oldHost: true } });
  const client = await ApiClient.login(old);
  await assert.rejects(
    client.call('VDI.get_cbt_enabled', 'x'),
    hostError('MESSAGE_METHOD_UNKNOWN', 'VDI.get_cbt_enabled'),
  );
  await assert.rejects(client.call('VM.snapshot', 'x', 'n', []), hostError('MESSAGE_PARAMETER_COUNT_MISMATCH'));
});
