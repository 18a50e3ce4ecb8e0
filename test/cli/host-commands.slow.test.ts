import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { snapshotDisks } from '#lib/backup/snapshot-disks.ts';
import { Secret } from '#lib/secret.ts';
import { underPrefix } from '#lib/store/prefixed-store.ts';
import { s3Store } from '#lib/store/s3.ts';
import { startS3Server } from '#local/s3/server.ts';
import { LoneSite } from '../fakes/lone-site.ts';

const COMMAND = fileURLToPath(new URL('../../cli/blockferry.ts', import.meta.url));
const LIMIT_MS = 30_000;

/** Runs the command in a process of its own, which is what a person does. */
async function blockferry(site: LoneSite, args: readonly string[], environment: Record<string, string> = {}) {
  const command = spawn(process.execPath, [COMMAND, ...args], {
    env: {
      PATH: process.env['PATH'],
      BLOCKFERRY_HOST: site.sim.url,
      BLOCKFERRY_PASSWORD: site.sim.credentials.password,
      ...environment,
    },
    signal: AbortSignal.timeout(LIMIT_MS),
  });
  let text = '';
  command.stdout.on('data', (data) => {
    text += data;
  });
  command.stderr.on('data', (data) => {
    text += data;
  });
  const [exitCode] = await once(command, 'close');
  return { exitCode, text };
}

async function siteWithVm(options: Parameters<typeof LoneSite.start>[0] = {}) {
  const site = await LoneSite.start({ srs: [{ name: 'Local storage', type: 'ext' }], ...options });
  const vm = await site.sim.addVm({ name: 'web', disks: [{ bytes: randomBytes(65_536) }] });
  return { site, vm: vm.uuid };
}

test('doctor without a pin prints the fingerprint to pin, with it finds a healthy pool, and its exit code says which', async () => {
  const { site } = await siteWithVm();
  await using _ = site;
  const first = await blockferry(site, ['doctor']);
  assert.equal(first.exitCode, 2);
  assert.match(
    first.text,
    new RegExp(`cure: .*--fingerprint ${site.pool.host.pin.kind === 'fingerprint' ? site.pool.host.pin.sha256 : ''}`),
  );
  const second = await blockferry(site, ['doctor', '--fingerprint', site.sim.fingerprint]);
  assert.equal(second.exitCode, 0, second.text);
  assert.match(second.text, /^ok {6}nbd-server +127\.0\.0\.1:\d+ answers with TLS/m);
  assert.ok(!second.text.includes(site.sim.credentials.password));
});

test('host nbd shows, enables and disables the purpose of a network', async () => {
  const { site } = await siteWithVm({ networks: [{ name: 'storage' }] });
  await using _ = site;
  const pinned = ['--fingerprint', site.sim.fingerprint];
  assert.match((await blockferry(site, ['host', 'nbd', 'status', ...pinned])).text, /^storage +off +xenhost1/m);
  const enabled = await blockferry(site, ['host', 'nbd', 'enable', 'storage', ...pinned]);
  assert.equal(enabled.exitCode, 0, enabled.text);
  assert.match(enabled.text, /127\.0\.0\.1:\d+ serves/);
  const refused = await blockferry(site, ['host', 'nbd', 'enable', 'storage', '--insecure-lab', ...pinned]);
  assert.equal(refused.exitCode, 1);
  assert.match(refused.text, /warning: without TLS.*NbdPurposesConflict: .*"storage"/s);
  assert.match((await blockferry(site, ['host', 'nbd', 'disable', 'storage', ...pinned])).text, /off for storage/);
  assert.match((await blockferry(site, ['host', 'nbd', 'status', ...pinned])).text, /^storage +off/m);
});

test('sweep says what would go and why, then takes it away', async () => {
  const { site, vm } = await siteWithVm();
  await using _ = site;
  await using s3 = await startS3Server({ buckets: ['vault'], now: () => new Date(Date.now() - 3_600_000) });
  const { accessKeyId, secretAccessKey } = s3.credentials;
  using bucket = s3Store({
    bucket: 'vault',
    endpoint: s3.endpoint,
    region: s3.region,
    credentials: { accessKeyId, secretAccessKey: new Secret(secretAccessKey) },
  });
  site.store = underPrefix(bucket, '');
  const pools = { names: ['local'], named: () => ({ ...site.pool, name: 'local' }) };
  const request = site.request(vm);
  while (!(await snapshotDisks({ ...site.ports, pools }, request)).ready);
  const [snapshot = ''] = site.sim.counters.snapshots;
  const where = ['--fingerprint', site.sim.fingerprint, '--vault', 's3://vault', '--endpoint', s3.endpoint];
  const environment = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_REGION: s3.region };
  const plan = await blockferry(site, ['sweep', '--dry-run', ...where], environment);
  assert.equal(plan.exitCode, 0, plan.text);
  assert.match(plan.text, new RegExp(`snapshot ${snapshot}: run [0-9a-f]{16} made it and is over`));
  assert.deepEqual(site.sim.counters.snapshots, [snapshot]);
  const swept = await blockferry(site, ['sweep', ...where], environment);
  assert.match(swept.text, new RegExp(`removed: snapshot ${snapshot}`));
  assert.deepEqual(site.sim.counters.snapshots, []);
  assert.equal(site.sim.counters.sessions, 0);
  const again = await blockferry(site, ['sweep', ...where], environment);
  assert.deepEqual([again.exitCode, again.text], [0, 'Nothing was left behind.\n']);
  for (const [what, how] of [
    ['wrong password', { BLOCKFERRY_PASSWORD: 'wrong' }],
    ['unreachable pool', { BLOCKFERRY_HOST: 'https://127.0.0.1:1' }],
  ] as const) {
    for (const dry of [['--dry-run'], []]) {
      const blind = await blockferry(site, ['sweep', ...dry, ...where], { ...environment, ...how });
      assert.equal(blind.exitCode, 1, what);
      assert.match(blind.text, /^not looked at: pool local: /m);
      assert.doesNotMatch(blind.text, /Nothing was left behind/);
    }
  }
});
