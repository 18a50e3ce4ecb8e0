/** What new disks, snapshots, copies and clones take over. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Simulator, startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';
import { ApiClient } from './api-client.ts';

const MIB = 1_048_576;
let pool: Simulator;
let client: ApiClient;
before(async () => {
  pool = await startSimulator({ timings: FAST_TIMINGS });
  client = await ApiClient.login(pool);
});
after(() => pool.stop());

test('a new disk has the tags and the configuration that it was created with', async () => {
  const [sr] = await client.call('SR.get_all');
  const ref = await client.call('VDI.create', {
    name_label: 'made',
    SR: sr,
    virtual_size: String(2 * MIB),
    type: 'user',
    other_config: { a: 'b' },
    sm_config: { c: 'd' },
    tags: ['mine'],
  });
  const { tags, other_config, sm_config } = await client.call('VDI.get_record', ref);
  assert.deepEqual(
    { tags, other_config, sm_config },
    { tags: ['mine'], other_config: { a: 'b' }, sm_config: { c: 'd' } },
  );
});

test('a snapshot copies name, tags and other_config of its source and is a read-only leaf', async () => {
  const disk = await client.trackedDisk(MIB);
  await client.call('VDI.add_tags', disk.ref, 'job');
  await client.call('VDI.add_to_other_config', disk.ref, 'marker', '1');
  const { ref } = await client.snapshot(disk.uuid);
  const record = await client.call('VDI.get_record', ref);
  assert.deepEqual([record.is_a_snapshot, record.snapshot_of, record.read_only], [true, disk.ref, true]);
  assert.deepEqual([record.tags, record.other_config.marker], [['job'], '1']);
  assert.ok((await client.call('VDI.get_snapshots', disk.ref)).includes(ref));
});

test('copies and clones are not tracked', async () => {
  const disk = await client.trackedDisk(MIB);
  pool.write(disk.uuid, 5, Buffer.from('data'));
  const copy = await client.call('VDI.copy', disk.ref, await client.call('VDI.get_SR', disk.ref));
  const clone = await client.call('VDI.clone', disk.ref, {});
  for (const ref of [copy, clone]) {
    assert.equal(await client.call('VDI.get_cbt_enabled', ref), false);
    assert.equal((await pool.read(await client.call('VDI.get_uuid', ref), 5, 4)).toString(), 'data');
  }
});
