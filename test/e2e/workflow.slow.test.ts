import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { backupResult } from '#cli/backup.ts';
import { readLeaseHolder } from '#lib/backup/lease.ts';
import { dropSlots, takeSlots } from '#lib/backup/reader-slots.ts';
import { Secret } from '#lib/secret.ts';
import { underPrefix } from '#lib/store/prefixed-store.ts';
import { GIB, MIB, parseVmId } from '#lib/units.ts';
import { startS3Server } from '#local/s3/server.ts';
import { startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';
import { LocalSite } from '../fakes/local-site.ts';
import { freePort } from '../servers/free-port.ts';
import { metricsIn, watchedByAlarms } from './emitted-metrics.ts';

/** XenServer's limit; a reader that finds all taken is told so before the greeting. */
const HOST_CONNECTIONS = 16;

describe('the synthesized workflow, run on this machine', () => {
  let site: LocalSite;
  let vm: { uuid: string; vdis: readonly string[] };

  before(async () => {
    const closedPort = await freePort();
    site = await LocalSite.start({
      otherPools: (good) => [
        { ...good, name: 'wrong-certificate', fingerprint: '00'.repeat(32) },
        { ...good, name: 'wrong-password', password: new Secret('not the password') },
        { ...good, name: 'unreachable', url: `https://127.0.0.1:${closedPort}` },
      ],
    });
    vm = await site.sim.addVm({ name: 'web', disks: [{ bytes: randomBytes(5 * MIB) }] });
  });
  after(() => site[Symbol.asyncDispose]());

  for (const [what, request, failure, cure] of [
    ['a wrong host certificate', { pool: 'wrong-certificate' }, 'HostCertificateMismatch', /certificate/i],
    ['a wrong password', { pool: 'wrong-password' }, 'WrongCredentials', /password|user/i],
    ['an unknown VM', { vm: randomUUID() }, 'ObjectGone', /VM|exist|gone/i],
    ['an unreachable host', { pool: 'unreachable' }, 'HostUnreachable', /127\.0\.0\.1/],
  ] as const) {
    test(`${what} ends the run as ${failure} with a sentence, and makes no point`, async () => {
      const execution = await site.backUp({ vm: vm.uuid, ...request });
      assert.equal(execution.status, 'FAILED');
      assert.equal(execution.error, failure);
      assert.match(execution.cause ?? '', cure);
      assert.throws(() => backupResult(execution), { name: failure, message: cure });
      assert.deepEqual(await site.pointKeys(), []);
    });
  }

  test('a host whose 16 NBD connections are taken ends the run as HostBusy and is left clean', async () => {
    const sockets: Socket[] = [];
    for (let i = 0; i < HOST_CONNECTIONS; i++) {
      const socket = connect(site.sim.nbdPort, '127.0.0.1');
      socket.on('error', () => undefined);
      sockets.push(socket);
      await new Promise((resolve) => socket.once('data', resolve));
    }
    const execution = await site.backUp({ vm: vm.uuid });
    for (const socket of sockets) socket.destroy();
    assert.equal(execution.error, 'HostBusy', execution.cause);
    assert.match(execution.cause ?? '', /connection/);
    assert.deepEqual(await site.pointKeys(), []);
    await nothingConnected(site);
    assert.deepEqual([site.sim.counters.snapshots, site.sim.counters.sessions], [[], 0]);
  });

  test('after all these failures a run succeeds and leaves one CBT metadata snapshot and nothing else', async () => {
    const execution = await site.backUp({ vm: vm.uuid });
    assert.equal(execution.status, 'SUCCEEDED', `${execution.error}: ${execution.cause}`);
    assert.equal((await site.pointKeys()).length, 1);
    await nothingConnected(site);
    const { snapshots, cbtMetadata, sessions, dom0Vbds } = site.sim.counters;
    assert.deepEqual(
      { snapshots, metadata: cbtMetadata.length, sessions, dom0Vbds },
      { snapshots: [], metadata: 1, sessions: 0, dom0Vbds: 0 },
    );
  });

  test('a scheduled fleet and a run by hand that meet on one VM make one point, and the second says whose it is', async () => {
    const before = await site.pointKeys();
    const both = await site.sim.addVm({ name: 'both', disks: [{ bytes: randomBytes(2 * MIB) }] });
    const fleet = await site.startFleet({ policy: 'nightly', select: { names: ['both'] } });
    // All slots taken, the fleet's run waits in the middle of its work for as long as the other one needs.
    const store = underPrefix(site.store, 'site/');
    const executions = { isRunning: async () => true };
    const claim = { pool: 'good', holder: fleet.executionArn, wanted: HOST_CONNECTIONS, since: new Date() };
    await takeSlots({ store, executions, signal: AbortSignal.timeout(60_000) }, claim);
    const lease = () => readLeaseHolder(store, parseVmId(both.uuid));
    while ((await lease()) === undefined) await delay(50);
    const byHand = await site.backUp({ vm: both.uuid });
    await dropSlots(store, claim);
    await fleet.finished;
    assert.equal(byHand.status, 'SUCCEEDED', 'nobody is woken: the other run answers for the VM');
    const { outcome, reason } = byHand.output as { outcome: string; reason: string };
    assert.equal(outcome, 'left-to-another-run');
    assert.match(reason, /is being backed up by arn:.*:execution:.*-backup:.*; wait for it to end or stop it/);
    assert.throws(() => backupResult(byHand), { name: 'RunInProgress' }, 'whoever asked for a point has none');
    assert.deepEqual(fleet.output, {
      ...{ policy: 'nightly', selected: 1, backedUp: 1 },
      ...{ leftToOtherRuns: [], failures: [] },
    });
    const made = (await site.pointKeys()).filter((key) => !before.includes(key));
    assert.equal(made.length, 1);
    assert.equal(await lease(), undefined);
    await nothingConnected(site);
    const { snapshots, sessions, dom0Vbds } = site.sim.counters;
    assert.deepEqual({ snapshots, sessions, dom0Vbds }, { snapshots: [], sessions: 0, dom0Vbds: 0 });
  });

  test('16 readers never hold more than 16 NBD connections', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'sixteen-readers-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const file = await writtenHereAndThere(join(folder, 'big.raw'), 5 * GIB);
    const before = site.sim.counters.nbdConnectionsTotal;
    const big = await site.sim.addVm({ name: 'big', disks: [{ file }] });
    const execution = await site.backUp({ vm: big.uuid, readers: HOST_CONNECTIONS });
    assert.equal(execution.status, 'SUCCEEDED', `${execution.error}: ${execution.cause}`);
    const { nbdConnectionsPeak, nbdConnectionsTotal } = site.sim.counters;
    assert.ok(nbdConnectionsPeak <= HOST_CONNECTIONS, `${nbdConnectionsPeak} at a time`);
    assert.ok(nbdConnectionsTotal - before >= 20, `${nbdConnectionsTotal - before} connections for 20 shards`);
  });

  test('every metric that an alarm watches is emitted by a function, under that name, namespace and dimension', async () => {
    const budget = { perRun: 0, onExceed: 'warn' };
    const increment = await site.backUp({ vm: vm.uuid, budget });
    assert.equal(increment.status, 'SUCCEEDED', `${increment.error}: ${increment.cause}`);
    await site.keepUp();
    const emitted = [...metricsIn(site.logs.map(({ line }) => line)), ...metricsIn(await watchPoints(site))];
    const watched = watchedByAlarms();
    assert.ok(watched.length >= 9);
    for (const series of watched)
      assert.ok(
        emitted.some((each) => each.series === series),
        `${series} is emitted`,
      );
    const days = emitted.filter(({ series }) => series.includes(' CertificateDaysLeft ')).map(({ value }) => value);
    // The simulated host's certificate is valid for ten years, as a real one's.
    assert.deepEqual([...new Set(days)], [3_649]);
  });

  test('no state, log line or error text holds a session reference, an export name or a password', () => {
    const written = [
      ...site.executions.map(({ history, input, output, error, cause }) => ({ history, input, output, error, cause })),
      ...site.logs.map(({ line }) => line),
    ].map((item) => JSON.stringify(item));
    assert.ok(written.length > 40, 'there is something to search');
    for (const text of written) {
      for (const secret of ['OpaqueRef:', 'session_id', site.sim.credentials.password, 'not the password']) {
        assert.ok(!text.includes(secret), `${secret} in ${text.slice(0, 2000)}`);
      }
    }
  });
});

test('the command says how a failed run ended in one line and exits with 1', async () => {
  await using sim = await startSimulator({ timings: FAST_TIMINGS });
  const vm = await sim.addVm({ name: 'web', disks: [{ bytes: randomBytes(MIB) }] });
  await using s3 = await startS3Server({ buckets: ['vault'] });
  const command = [
    'cli/blockferry.ts',
    'backup',
    vm.uuid,
    '--local',
    '--host',
    sim.url,
    '--fingerprint',
    sim.fingerprint,
  ];
  const { accessKeyId, secretAccessKey } = s3.credentials;
  const child = spawn(process.execPath, [...command, '--vault', 's3://vault/site', '--endpoint', s3.endpoint], {
    env: {
      ...process.env,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      BLOCKFERRY_PASSWORD: 'not the password',
    },
  });
  let said = '';
  child.stderr.on('data', (piece) => {
    said += piece;
  });
  const [exitCode] = await once(child, 'close');
  assert.equal(exitCode, 1, said);
  assert.match(said, /^blockferry: WrongCredentials: .*Correct the user name or the password\.$/m);
});

test('a bucket that cannot be written ends the run as VaultAccessDenied and touches no disk of the host', async () => {
  await using site = await LocalSite.start({ bucket: 'no-such-bucket' });
  const vm = await site.sim.addVm({ name: 'web', disks: [{ bytes: randomBytes(MIB) }] });
  const execution = await site.backUp({ vm: vm.uuid });
  assert.equal(execution.error, 'VaultAccessDenied', execution.cause);
  assert.match(execution.cause ?? '', /no-such-bucket/);
  assert.deepEqual(
    [site.sim.counters.snapshots, site.sim.counters.cbtMetadata, site.sim.counters.sessions],
    [[], [], 0],
  );
});

/** A sparse image of which every 2 MiB block was written to: the host reports all of it as allocated. */
async function writtenHereAndThere(path: string, bytes: number): Promise<string> {
  await using file = await open(path, 'w');
  await file.truncate(bytes);
  for (let at = 0; at < bytes; at += 2 * MIB) await file.write(Buffer.from('written'), 0, 7, at);
  return path;
}

/** What the function that a rule calls every hour prints; it belongs to no workflow. */
async function watchPoints({ s3 }: LocalSite): Promise<string[]> {
  const script = `const { handler } = await import('#functions/watch-points.ts');
    await handler({}, { awsRequestId: 'r', getRemainingTimeInMillis: () => 60_000 });`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    env: {
      ...{ PATH: process.env['PATH'], AWS_REGION: 'us-east-1', AWS_ENDPOINT_URL_S3: s3.endpoint },
      AWS_ACCESS_KEY_ID: s3.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: s3.credentials.secretAccessKey,
      ...{ VAULT_BUCKET: 'vault', VAULT_PREFIX: 'site/', VAULT_OWNER: 'any' },
      ...{ OBJECTIVE_HOURS: '26', INSTALLATION: 'blockferry' },
    },
  });
  return stdout.split('\n');
}

/** The host frees a slot only after it has unplugged the disk. */
async function nothingConnected(site: LocalSite): Promise<void> {
  for (let look = 0; look < 100 && site.sim.counters.nbdConnections > 0; look++) await delay(50);
  assert.equal(site.sim.counters.nbdConnections, 0);
}
