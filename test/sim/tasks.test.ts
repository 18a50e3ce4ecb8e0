import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Simulator, startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';
import { ApiClient, hostError } from './api-client.ts';

const MIB = 1_048_576;
let pool: Simulator;
let client: ApiClient;
let vdi: string;
before(async () => {
  pool = await startSimulator({ timings: FAST_TIMINGS });
  client = await ApiClient.login(pool);
  const { vdis } = await pool.addVm({ name: 'vm', disks: [{ sizeBytes: 4 * MIB }] });
  vdi = await client.call('VDI.get_by_uuid', vdis[0]);
});
after(() => pool.stop());

test("a task's result is an XML fragment even over JSON", async () => {
  assert.match(await client.task('VDI.snapshot', vdi, {}), /^<value>OpaqueRef:[-0-9a-f]{36}<\/value>$/);
});

test('a failed task holds code and parameters', async () => {
  const task = await client.call('Async.VDI.data_destroy', vdi);
  const { status, error_info } = await client.finished(task);
  assert.equal(status, 'failure');
  assert.deepEqual(error_info, ['OPERATION_NOT_ALLOWED', `VDI is not a snapshot: ${vdi}`]);
});

test('a cancelled call ends as TASK_CANCELLED', async () => {
  await using slow = await startSimulator({ timings: { ...FAST_TIMINGS, storageOperationMs: 60_000 } });
  const user = await ApiClient.login(slow);
  const { vdis } = await slow.addVm({ name: 'vm', disks: [{ sizeBytes: 4 * MIB }] });
  const task = await user.call('Async.VDI.enable_cbt', await user.call('VDI.get_by_uuid', vdis[0]));
  assert.equal(await user.call('task.get_status', task), 'pending');
  await user.call('task.cancel', task);
  const { status, error_info } = await user.finished(task);
  assert.equal(status, 'cancelled');
  assert.deepEqual(error_info, ['TASK_CANCELLED', task]);
});

test('cancelling a finished task is not allowed', async () => {
  const task = await client.call('Async.VDI.disable_cbt', vdi);
  await client.finished(task);
  await assert.rejects(client.call('task.cancel', task), hostError('OPERATION_NOT_ALLOWED'));
});

test('a completed task is forgotten after 65 minutes and a destroyed one at once', async () => {
  const kept = await client.call('Async.VDI.disable_cbt', vdi);
  const destroyed = await client.call('Async.VDI.disable_cbt', vdi);
  await client.finished(kept);
  await client.finished(destroyed);
  await client.call('task.destroy', destroyed);
  await assert.rejects(client.call('task.get_record', destroyed), hostError('HANDLE_INVALID', 'task', destroyed));
  pool.advanceClock(64 * 60_000);
  assert.equal(await client.call('task.get_status', kept), 'success');
  pool.advanceClock(2 * 60_000);
  await assert.rejects(client.call('task.get_record', kept), hostError('HANDLE_INVALID', 'task', kept));
});

test('not more than 200 tasks are kept', async () => {
  for (let count = 0; count < 210; count += 1) {
    const task = await client.call('task.create', 'many', '');
    await client.call('task.set_status', task, 'success');
  }
  await client.call('pool.get_all');
  assert.ok(pool.counters.tasks <= 200);
});

test('one storage repository does one thing at a time and offers nothing meanwhile', async () => {
  await using slow = await startSimulator({ timings: { ...FAST_TIMINGS, storageOperationMs: 100 } });
  const user = await ApiClient.login(slow);
  const { vdis } = await slow.addVm({ name: 'vm', disks: [{ sizeBytes: 4 * MIB }, { sizeBytes: 4 * MIB }] });
  const refs = await Promise.all(vdis.map((uuid) => user.call('VDI.get_by_uuid', uuid)));
  const sr = await user.call('VDI.get_SR', refs[0]);
  assert.ok((await user.call('SR.get_allowed_operations', sr)).includes('vdi_enable_cbt'));
  const started = performance.now();
  const tasks = await Promise.all(refs.map((ref) => user.call('Async.VDI.snapshot', ref, {})));
  assert.deepEqual(await user.call('SR.get_allowed_operations', sr), []);
  await Promise.all(tasks.map((task) => user.finished(task)));
  assert.ok(performance.now() - started >= 195);
});

test('a storage repository that stays busy is reported after the deadline', async () => {
  await using busy = await startSimulator({ timings: { ...FAST_TIMINGS, busyTimeoutMs: 20 } });
  const user = await ApiClient.login(busy);
  const { vdis } = await busy.addVm({ name: 'vm', disks: [{ sizeBytes: 4 * MIB }] });
  const ref = await user.call('VDI.get_by_uuid', vdis[0]);
  const { world } = busy;
  world.srOperations.set(world.db.VDI.get(ref).SR, 'vdi_enable_cbt');
  await assert.rejects(user.call('VDI.snapshot', ref, {}), hostError('OTHER_OPERATION_IN_PROGRESS', 'SR'));
  world.srOperations.clear();
  await user.call('VDI.snapshot', ref, {});
});

test('event.from tells what changed since its token, and returns empty when nothing does', async () => {
  const { token } = await client.call('event.from', ['vdi'], '', 0);
  const quiet = await client.call('event.from', ['vdi'], token, 0.01);
  assert.deepEqual(quiet.events, []);
  await client.call('VDI.add_tags', vdi, 'seen');
  const { events } = await client.call('event.from', ['VDI'], quiet.token, 10);
  assert.equal(events.length, 1);
  assert.equal(events[0].operation, 'mod');
  assert.deepEqual(events[0].snapshot.tags, ['seen']);
});

test('event.inject answers the token after which event.from tells of the object, as clients begin to follow events', async () => {
  const [ref] = await client.call('pool.get_all');
  const token = await client.call('event.inject', 'pool', ref);
  const { events } = await client.call('event.from', ['pool', 'vdi'], token, 10);
  const told = events.map((event: { class: string; operation: string; ref: string }) => [event.class, event.ref]);
  assert.deepEqual(told, [['pool', ref]]);
  await assert.rejects(client.call('event.inject', 'pool', 'OpaqueRef:none'), hostError('HANDLE_INVALID', 'pool'));
});

test('an event token or subscription that makes no sense is refused', async () => {
  await assert.rejects(client.call('event.from', ['*'], 'nonsense', 0), hostError('EVENT_FROM_TOKEN_PARSE_FAILURE'));
  await assert.rejects(client.call('event.from', ['a/b/c'], '', 0), hostError('EVENT_SUBSCRIPTION_PARSE_FAILURE'));
});

test('a fault can be planned for any method, and an Async call fails in its task', async () => {
  pool.faults.calls.push({
    method: 'VDI.snapshot',
    code: 'SR_BACKEND_FAILURE_44',
    params: ['', 'no space', ''],
    times: 1,
  });
  await assert.rejects(client.task('VDI.snapshot', vdi, {}), hostError('SR_BACKEND_FAILURE_44'));
  await client.task('VDI.snapshot', vdi, {});
});
