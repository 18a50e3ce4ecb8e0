import assert from 'node:assert/strict';
import { type ExecFileException, execFile } from 'node:child_process';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { vaultKeys } from '#lib/format/keys.ts';
import { Secret } from '#lib/secret.ts';
import { pemSigner } from '#lib/signing/pem-signer.ts';
import { s3Store } from '#lib/store/s3.ts';
import { GRAIN_BYTES } from '#lib/units.ts';
import { openOrCreateVault } from '#lib/vault/vault-document.ts';
import { type S3Server, startS3Server } from '#local/s3/server.ts';
import { LoneDisk } from '../fakes/lone-disk.ts';

const COMMAND = join(import.meta.dirname, '../../cli/blockferry.ts');
const DAY_MS = 86_400_000;

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pemOf = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString();

let folder: string;
let server: S3Server;
let disk: LoneDisk;
/** Keys that were fetched since the last command began. */
let fetched: string[] = [];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'upkeep-'));
  server = await startS3Server({
    buckets: ['vault'],
    onRequest: ({ operation, key }) => {
      if (operation === 'GetObject') fetched.push(key);
    },
  });
  disk = new LoneDisk({ signer: pemSigner(new Secret(pemOf(privateKey))) });
  await openOrCreateVault(disk.store, { vault: '0123456789abcdef', created: disk.now });
  for (let day = 1; day <= 4; day++) {
    await disk.backUp(Buffer.alloc(8 * GRAIN_BYTES, day));
    disk.nowMs += DAY_MS;
  }
  using store = vaultStore();
  for (const key of disk.bucket.objects.keys()) await store.put(key, disk.bucket.objects.current(key)!.body);
});

after(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

function vaultStore() {
  const { accessKeyId, secretAccessKey } = server.credentials;
  const credentials = { accessKeyId, secretAccessKey: new Secret(secretAccessKey) };
  return s3Store({ bucket: 'vault', endpoint: server.endpoint, credentials });
}

function blockferry(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  fetched = [];
  const { accessKeyId, secretAccessKey } = server.credentials;
  const env = {
    ...process.env,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    BLOCKFERRY_VAULT: 's3://vault',
    BLOCKFERRY_ENDPOINT: server.endpoint,
  };
  return new Promise((done) => {
    execFile(process.execPath, [COMMAND, ...args], { env }, (error: ExecFileException | null, stdout, stderr) => {
      done({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

const packsFetched = () => fetched.filter((key) => key.endsWith('.zst'));

test('verify says which points and packs it looked at, and reads no pack at level 1', async () => {
  const { code, stdout } = await blockferry('verify');
  assert.equal(code, 0);
  assert.match(stdout, /level 1, points 1 to 4 \(4\), 4 packs, nothing of them read: all as written/);
  assert.deepEqual(packsFetched(), []);
  const deep = await blockferry('verify', '--level', '2', '--json');
  assert.equal(JSON.parse(deep.stdout)[0].scope.packs, 4);
  assert.equal(new Set(packsFetched()).size, 4);
});

test('audit compares with an anchor that was saved, and finds a ledger that was rolled back', async () => {
  const anchor = join(folder, 'heads.json');
  assert.equal((await blockferry('audit', '--save-anchor', anchor)).code, 0);
  const saved = JSON.parse(await readFile(anchor, 'utf8'));
  assert.deepEqual([saved.vault, saved.heads[0].seq], ['0123456789abcdef', 4]);
  using store = vaultStore();
  const key = vaultKeys.ledgerEntry(disk.disk, 4);
  const entry = await store.get(key);
  await store.delete(key);
  const { code, stdout, stderr } = await blockferry('audit', '--anchor', anchor);
  await store.put(key, entry);
  assert.equal(code, 1);
  assert.match(stdout, /0000000004\.json: is gone, which the anchor knows: the ledger was rolled back/);
  assert.match(stderr, /TamperingFound/);
  assert.equal((await blockferry('audit', '--anchor', anchor)).code, 0);
});

test('audit says up to which entry a ledger is signed and by which key, and finds what is not signed', async () => {
  const file = join(folder, 'public.pem');
  await writeFile(file, publicKey.export({ type: 'spki', format: 'pem' }));
  const whole = await blockferry('audit', '--public-key', file);
  assert.equal(whole.code, 0, whole.stdout);
  assert.match(
    whole.stdout,
    new RegExp(`disk ${disk.disk}: signed up to entry 4 by sha256:[0-9a-f]{64}, 4 signatures`),
  );
  using store = vaultStore();
  const key = vaultKeys.signature(disk.disk, 4);
  const signature = await store.get(key);
  await store.delete(key);
  const { code, stdout } = await blockferry('audit', '--public-key', file);
  await store.put(key, signature);
  assert.equal(code, 1);
  assert.match(stdout, /0000000004\.json: is not signed; only entry 3 of this ledger is/);
  assert.match((await blockferry('audit', '--public-key', COMMAND)).stderr, /PublicKeyUnusable.*openssl ec -pubout/s);
});

test('prune shows who stays and why without changing anything, then lets go exactly that', async () => {
  const rules = ['--keep-daily', '2', '--keep-within-days', '1'];
  const shown = await blockferry('prune', ...rules, '--dry-run');
  assert.match(shown.stdout, /goes +no rule keeps it/);
  assert.match(shown.stdout, /stays +newest point/);
  assert.match(
    shown.stdout,
    /2 of 4 points go; .* come free after 7 days, or when their locks end\.\nNothing was changed/,
  );
  assert.equal(JSON.parse((await blockferry('list', '--json')).stdout).length, 4);
  const { pruned } = JSON.parse((await blockferry('prune', ...rules, '--json')).stdout);
  assert.deepEqual(pruned, { points: 2, entries: 2 });
  assert.deepEqual(packsFetched(), []);
  assert.equal(JSON.parse((await blockferry('list', '--json')).stdout).length, 2);
  assert.deepEqual(packsFetched(), []);
});

test('prune without a rule, or with one that makes no sense, does nothing and says so', async () => {
  for (const args of [[], ['--keep-daily', 'all'], ['--keep-within-days', '0']]) {
    const { code, stderr } = await blockferry('prune', ...args);
    assert.notEqual(code, 0);
    assert.match(stderr, /rule|whole number|keepWithinDays/);
  }
});

test('verify names the points that a lost pack touches and fails', async () => {
  using store = vaultStore();
  const [lost = ''] = disk.bucket.objects.keys(vaultKeys.packs(disk.disk)).slice(-1);
  await store.delete(lost);
  const { code, stdout, stderr } = await blockferry('verify');
  assert.equal(code, 1);
  assert.match(stdout, /\.zst: is gone; needed by points \d/);
  assert.match(stderr, /DamageFound/);
});
