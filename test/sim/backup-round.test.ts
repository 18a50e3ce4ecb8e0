import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import type { Simulator } from '#sim/simulator.ts';
import { startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';
import { ApiClient, hostError } from './api-client.ts';

const run = promisify(execFile);
const MIB = 1_048_576;

/** Copies an export with libnbd's own tool, which knows nothing of us. */
async function nbdcopy(pool: Simulator, exportName: string): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'nbdcopy-'));
  try {
    await writeFile(join(folder, 'ca-cert.pem'), pool.certificatePem);
    const uri = `nbds://127.0.0.1:${pool.nbdPort}/${encodeURIComponent(exportName)}?tls-certificates=${folder}`;
    const target = join(folder, 'disk.raw');
    await run('nbdcopy', ['--connections=1', '--flush', uri, target]);
    return await readFile(target);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('a full and an incremental backup can be read through the API and NBD, and nothing stays on the host', async () => {
  await using pool = await startSimulator({ timings: FAST_TIMINGS });
  const content = Buffer.alloc(8 * MIB, 7);
  content.fill(0, 2 * MIB, 4 * MIB);
  const vm = await pool.addVm({ name: 'web', tags: ['backup'], disks: [{ bytes: content }] });
  const vdiUuid = vm.vdis[0]!;
  const client = await ApiClient.login(pool);
  const vdi = await client.call('VDI.get_by_uuid', vdiUuid);

  assert.equal(await client.task('VDI.enable_cbt', vdi), '');
  const first = await client.snapshot(vdiUuid);
  assert.equal(await client.call('VDI.get_cbt_enabled', first.ref), true);
  const [info] = await client.call('VDI.get_nbd_info', first.ref);
  assert.equal(info.exportname, `/${first.uuid}?session_id=${client.session}`);
  assert.deepEqual(await nbdcopy(pool, info.exportname), content);

  pool.write(vdiUuid, 5 * MIB + 3, Buffer.from('changed'));
  const result = await client.task('VDI.snapshot', vdi, {});
  const second = /^<value>(OpaqueRef:[-0-9a-f]+)<\/value>$/.exec(result)?.[1];
  const bitmap = Buffer.from(await client.call('VDI.list_changed_blocks', first.ref, second), 'base64');
  const expected = Buffer.alloc(16);
  expected[10] = 0x80;
  assert.deepEqual(bitmap, expected);

  const [secondInfo] = await client.call('VDI.get_nbd_info', second);
  content.write('changed', 5 * MIB + 3);
  assert.deepEqual(await nbdcopy(pool, secondInfo.exportname), content);

  for (const snapshot of [first.ref, second]) await client.task('VDI.data_destroy', snapshot);
  await client.task('VDI.destroy', first.ref);
  await assert.rejects(client.call('VDI.get_uuid', first.ref), hostError('HANDLE_INVALID', 'VDI', first.ref));
  await client.call('session.logout');
  const { sessions, tasks, dom0Vbds, snapshots, cbtMetadata } = pool.counters;
  assert.deepEqual({ sessions, tasks, dom0Vbds, snapshots }, { sessions: 0, tasks: 0, dom0Vbds: 0, snapshots: [] });
  assert.equal(cbtMetadata.length, 1);
});
