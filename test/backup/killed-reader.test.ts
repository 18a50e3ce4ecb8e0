import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { commitPoint } from '#lib/backup/commit-point.ts';
import { readShard } from '#lib/backup/read-shard.ts';
import { sweep } from '#lib/host/sweep.ts';
import { planSweep } from '#lib/host/sweep-plan.ts';
import { listPoints } from '#lib/restore/points.ts';
import { Secret } from '#lib/secret.ts';
import { s3Store } from '#lib/store/s3.ts';
import { startS3Server } from '#local/s3/server.ts';
import { LoneSite } from '../fakes/lone-site.ts';
import { laterPorts } from '../host/dying-site.ts';

const READER = fileURLToPath(new URL('reader-process.ts', import.meta.url));
const MIB = 1_048_576;
/** A reader begins within a second on a quiet machine; a loaded one may need fifty. */
const LIMIT_MS = 120_000;

/** A run whose only reader is killed in the middle of its transfer. */
async function killReader(t: TestContext, site: LoneSite) {
  const s3 = await startS3Server({ buckets: ['vault'] });
  t.after(() => s3.stop());
  const { accessKeyId, secretAccessKey } = s3.credentials;
  const store = s3Store({
    bucket: 'vault',
    endpoint: s3.endpoint,
    region: s3.region,
    credentials: { accessKeyId, secretAccessKey: new Secret(secretAccessKey) },
  });
  t.after(() => store[Symbol.dispose]());
  site.store = store;
  const vm = await site.sim.addVm({ name: 'web', disks: [{ bytes: randomBytes(8 * MIB) }] });
  const input = site.request(vm.uuid);
  const run = await site.prepare(input);
  const [shard] = await site.shards(run);
  assert.ok(shard);
  site.sim.faults.nbdStallAfterBytes = 2 * MIB;
  const job = JSON.stringify({ endpoint: s3.endpoint, credentials: s3.credentials, shard });
  const reader = spawn(process.execPath, [READER, job], { stdio: 'inherit' });
  await until(() => Object.values(site.sim.counters.nbdBytesByVdi).some((bytes) => bytes >= MIB));
  assert.equal(site.sim.counters.dom0Vbds, 1);
  reader.kill('SIGKILL');
  await once(reader, 'close');
  site.sim.faults.nbdStallAfterBytes = undefined;
  return { vm, input, run, shard };
}

async function until(isSo: () => boolean): Promise<void> {
  for (const endMs = Date.now() + LIMIT_MS; !isSo(); await delay(20)) assert.ok(Date.now() < endMs, 'it took too long');
}

function assertNothingAttached(site: LoneSite): Promise<void> {
  const { dom0Vbds, snapshots, sessions } = site.sim.counters;
  assert.deepEqual({ dom0Vbds, snapshots, sessions }, { dom0Vbds: 0, snapshots: [], sessions: 0 });
  return until(() => site.sim.counters.nbdConnections === 0);
}

test('a reader that is killed is repeated, the run completes, and nothing of it is left on the host', async (t) => {
  await using site = await LoneSite.start();
  const { vm, input, run, shard } = await killReader(t, site);
  assert.equal((await readShard(site.ports, shard)).done, true);
  assert.equal((await commitPoint(site.ports, run)).outcome, 'committed');
  await site.release(input);
  await assertNothingAttached(site);
  assert.ok((await site.restore({ point: 'latest' })).equals(await site.diskBytes(vm.vdis[0] ?? '')));
});

test('a run whose reader was killed and that nobody repeats leaves no point, and after the sweep nothing on the host', async (t) => {
  await using site = await LoneSite.start();
  await killReader(t, site);
  const ports = laterPorts(site);
  assert.deepEqual((await sweep(ports, await planSweep(ports))).left, []);
  await assertNothingAttached(site);
  assert.deepEqual(await listPoints(site.store), []);
});
