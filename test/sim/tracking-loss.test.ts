/** How a disk loses its tracking without anybody having asked for it. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Simulator, startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';
import { ApiClient, hostError } from './api-client.ts';

const MIB = 1_048_576;
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

test('a crash of the host switches tracking off when the disk is next activated, with a message', async () => {
  await using crashing = await startSimulator({ timings: FAST_TIMINGS });
  const api = await ApiClient.login(crashing);
  const disk = await api.trackedDisk(MIB);
  const base = await api.snapshot(disk.uuid);
  crashing.crashHost({ restart: false });
  assert.equal(await api.call('VDI.get_cbt_enabled', disk.ref), true);
  const [vm] = await api.call('VM.get_by_name_label', 'vm');
  await api.call('VM.start', vm, false, false);
  assert.equal(await api.call('VDI.get_cbt_enabled', disk.ref), false);
  const messages = Object.values(await api.call('message.get_all_records')) as {
    name: string;
    cls: string;
    obj_uuid: string;
  }[];
  assert.deepEqual(
    messages.map(({ name, cls, obj_uuid }) => [name, cls, obj_uuid]),
    [['VDI_CBT_METADATA_INCONSISTENT', 'VDI', disk.uuid]],
  );
  const next = await api.snapshot(disk.uuid);
  assert.equal(await api.call('VDI.get_cbt_enabled', next.ref), false);
  await assert.rejects(api.call('VDI.list_changed_blocks', base.ref, next.ref), hostError('SR_BACKEND_FAILURE_460'));
});

test('a log that cannot grow with its disk, or be made for a snapshot, goes off with a message, and the call succeeds', async () => {
  const losses = [
    ['resizeLogFails', 'VDI_CBT_RESIZE_FAILED', ({ ref }) => client.call('VDI.resize', ref, String(2 * MIB))],
    ['snapshotLogFails', 'VDI_CBT_SNAPSHOT_FAILED', ({ uuid }) => client.snapshot(uuid)],
  ] as const satisfies readonly (readonly [string, string, (disk: { uuid: string; ref: string }) => unknown])[];
  for (const [fault, message, act] of losses) {
    const disk = await client.trackedDisk(MIB);
    const base = await client.snapshot(disk.uuid);
    pool.faults[fault] = true;
    await act(disk);
    pool.faults[fault] = false;
    assert.equal(await client.call('VDI.get_cbt_enabled', disk.ref), false);
    const messages = Object.values<{ name: string; obj_uuid: string }>(await client.call('message.get_all_records'));
    assert.deepEqual(
      messages.filter(({ obj_uuid }) => obj_uuid === disk.uuid).map(({ name }) => name),
      [message],
    );
    await assert.rejects(changed(base.ref, (await client.snapshot(disk.uuid)).ref), refused(/unrelated/));
  }
});
