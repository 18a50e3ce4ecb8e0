/** Chains of VHD files: how they grow, when they are too long, and how the host shortens them. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { type Simulator, type SimulatorOptions, startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';
import { ApiClient, hostError } from './api-client.ts';

const BLOCK = 65_536;

async function withDisk(
  options: SimulatorOptions,
  act: (pool: Simulator, client: ApiClient, disk: { uuid: string; ref: string }) => Promise<void>,
): Promise<void> {
  await using pool = await startSimulator({ timings: FAST_TIMINGS, ...options });
  const client = await ApiClient.login(pool);
  const { vdis } = await pool.addVm({ name: 'vm', disks: [{ bytes: randomBytes(2 * BLOCK) }] });
  const uuid = vdis[0] ?? '';
  await act(pool, client, { uuid, ref: await client.call('VDI.get_by_uuid', uuid) });
}

/** Uuids from the disk's file to the last one that has no parent, as a client finds them. */
async function chainOf(client: ApiClient, ref: string): Promise<string[]> {
  const records: Record<string, { uuid: string; sm_config: Record<string, string> }> =
    await client.call('VDI.get_all_records');
  const byUuid = new Map(Object.values(records).map((record) => [record.uuid, record]));
  const chain: string[] = [];
  for (let record = records[ref]; record; record = byUuid.get(record.sm_config['vhd-parent'] ?? '')) {
    chain.push(record.uuid);
  }
  return chain;
}

test('a snapshot puts a hidden parent under the disk and under itself', () =>
  withDisk({}, async (_pool, client, disk) => {
    const snapshot = await client.snapshot(disk.uuid);
    const [, parent = '', ...more] = await chainOf(client, disk.ref);
    assert.deepEqual(more, []);
    assert.deepEqual(await chainOf(client, snapshot.ref), [snapshot.uuid, parent]);
    const record = await client.call('VDI.get_record', await client.call('VDI.get_by_uuid', parent));
    assert.deepEqual([record.name_label, record.managed, record.VBDs], ['base copy', false, []]);
    await assert.rejects(
      client.call('VDI.destroy', await client.call('VDI.get_by_uuid', parent)),
      hostError('VDI_NOT_MANAGED', /^OpaqueRef/),
    );
  }));

test('the snapshot of a disk whose chain has 30 files is refused with error 109, and so is a clone', () =>
  withDisk({}, async (_pool, client, disk) => {
    for (let files = 1; files < 30; files += 1) await client.snapshot(disk.uuid);
    assert.equal((await chainOf(client, disk.ref)).length, 30);
    const tooLong = hostError('SR_BACKEND_FAILURE_109', '', /chain is too long/, '');
    await assert.rejects(client.snapshot(disk.uuid), tooLong);
    await assert.rejects(client.call('VDI.clone', disk.ref, {}), tooLong);
  }));

for (const [what, remove] of [
  ['destroyed', 'VDI.destroy'],
  ['reduced to CBT metadata', 'VDI.data_destroy'],
] as const) {
  test(`links stay when snapshots are ${what}, until the host has had time to coalesce`, () =>
    withDisk({ timings: { ...FAST_TIMINGS, coalesceAfterMs: 300_000 } }, async (pool, client, disk) => {
      await client.call('VDI.enable_cbt', disk.ref);
      const kept = await client.snapshot(disk.uuid);
      for (let made = 0; made < 3; made += 1) {
        pool.write(disk.uuid, made * 512, randomBytes(512));
        await client.call(remove, (await client.snapshot(disk.uuid)).ref);
      }
      assert.equal((await chainOf(client, disk.ref)).length, 5);
      pool.advanceClock(301_000);
      assert.equal((await chainOf(client, disk.ref)).length, 2);
      assert.equal((await chainOf(client, kept.ref)).length, 2);
      await client.call('VDI.destroy', kept.ref);
      pool.advanceClock(301_000);
      assert.deepEqual(await chainOf(client, disk.ref), [disk.uuid]);
    }));
}

test('a host that has stopped coalescing keeps every link', () =>
  withDisk({ faults: { coalescingStalled: true } }, async (_pool, client, disk) => {
    for (let made = 0; made < 4; made += 1) await client.call('VDI.destroy', (await client.snapshot(disk.uuid)).ref);
    assert.equal((await chainOf(client, disk.ref)).length, 5);
  }));

test('a copy has a file of its own, a clone shares its parent with the original', () =>
  withDisk({}, async (_pool, client, disk) => {
    await client.snapshot(disk.uuid);
    const sr = await client.call('VDI.get_SR', disk.ref);
    assert.equal((await chainOf(client, await client.call('VDI.copy', disk.ref, sr))).length, 1);
    const clone = await chainOf(client, await client.call('VDI.clone', disk.ref, {}));
    assert.deepEqual(clone.slice(1), (await chainOf(client, disk.ref)).slice(1));
    assert.equal(clone.length, 3);
  }));

test('a storage that does not keep VHD files has no chains', () =>
  withDisk({ srs: [{ name: 'volumes', type: 'linstor' }] }, async (_pool, client, disk) => {
    for (let made = 0; made < 31; made += 1) await client.snapshot(disk.uuid);
    assert.deepEqual(await chainOf(client, disk.ref), [disk.uuid]);
  }));

test('what hung together before and after coalescing are the same contents', () =>
  withDisk({}, async (pool, client, disk) => {
    const before = await pool.read(disk.uuid, 0, 2 * BLOCK);
    const first = await client.snapshot(disk.uuid);
    pool.write(disk.uuid, 0, randomBytes(BLOCK));
    const second = await client.snapshot(disk.uuid);
    await client.call('VDI.destroy', second.ref);
    await client.call('VDI.get_all');
    assert.ok((await pool.read(first.uuid, 0, 2 * BLOCK)).equals(before));
  }));
