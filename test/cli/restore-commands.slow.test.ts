import assert from 'node:assert/strict';
import { type ExecFileException, execFile, execFileSync, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { encodeDocument, HEAD } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { Secret } from '#lib/secret.ts';
import { s3Store } from '#lib/store/s3.ts';
import { parseRunId, parseVmId } from '#lib/units.ts';
import { type S3Server, startS3Server } from '#local/s3/server.ts';
import { VaultDisk } from '../fakes/vault-disk.ts';

const GRAIN = 65_536;
const MIB = 1_048_576;
const COMMAND = join(import.meta.dirname, '../../cli/blockferry.ts');

let folder: string;
let server: S3Server;
let image: Buffer;
let disk: VaultDisk;
/** Called for each request that the server answered. */
let onRequest: (key: string) => void = () => undefined;

/** A partitioned disk of 96 MiB: an MBR, an ext4 partition from 1 MiB with two files in it, noise behind it. */
async function partitionedImage(): Promise<Buffer> {
  const tree = join(folder, 'tree');
  execFileSync('mkdir', ['-p', join(tree, 'etc')]);
  await writeFile(join(tree, 'etc/hostname'), 'web-1\n');
  await writeFile(join(tree, 'large.bin'), Buffer.alloc(3 * MIB, 'large '));
  const partition = join(folder, 'partition.ext4');
  await writeFile(partition, '');
  await truncate(partition, 32 * MIB);
  execFileSync('mke2fs', ['-q', '-t', 'ext4', '-d', tree, partition]);
  const bytes = Buffer.alloc(96 * MIB);
  (await readFile(partition)).copy(bytes, MIB);
  randomBytes(40 * MIB).copy(bytes, 40 * MIB);
  bytes.writeUInt8(0x83, 446 + 4);
  bytes.writeUInt32LE(2048, 446 + 8);
  bytes.writeUInt32LE((32 * MIB) / 512, 446 + 12);
  bytes.writeUInt16BE(0x55aa, 510);
  return bytes;
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'restore-commands-'));
  server = await startS3Server({ buckets: ['vault'], onRequest: ({ key }) => onRequest(key) });
  const { accessKeyId, secretAccessKey } = server.credentials;
  using store = s3Store({
    bucket: 'vault',
    endpoint: server.endpoint,
    credentials: { accessKeyId, secretAccessKey: new Secret(secretAccessKey) },
  });
  image = await partitionedImage();
  disk = new VaultDisk(store, image.length);
  const changes = new Map<number, Buffer>();
  for (let grain = 0; grain < image.length / GRAIN; grain++) {
    const content = image.subarray(grain * GRAIN, (grain + 1) * GRAIN);
    if (content.some((byte) => byte !== 0)) changes.set(grain, content);
  }
  const seq = await disk.addPoint(changes);
  const vm = parseVmId(randomUUID());
  const run = parseRunId('0123456789abcdef');
  const time = new Date('2026-11-21T10:11:12Z');
  const dataGrains = changes.size;
  const counts = { dataGrains, zeroGrains: 0, unchangedGrains: 0, plannedBytes: image.length, storedBytes: 50 * MIB };
  const full = { because: 'first-backup', cure: 'nothing: the first backup of a disk is full' };
  const facts = { device: '0', name: 'root', bootable: true, diskBytes: image.length, kind: 'full', full };
  const point = {
    ...HEAD,
    vm,
    vmName: 'web-1',
    pool: 'lab',
    run,
    execution: 'arn:aws:states:local:0:execution:backup:1',
    time,
    finished: new Date(time.getTime() + 80_000),
    disks: [{ disk: disk.disk, seq, ...facts, ...counts }],
    measured: { nbdBytes: image.length, nbdRequests: 96, readerMs: 1000, hostChecks: ['public-key'] },
  };
  await store.put(vaultKeys.point(vm, { time, run }), encodeDocument(point));
});
after(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const environment = () => ({
  ...process.env,
  BLOCKFERRY_VAULT: 's3://vault',
  BLOCKFERRY_ENDPOINT: server.endpoint,
  AWS_REGION: server.region,
  AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
});

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function blockferry(...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const ended = (error: ExecFileException | null, stdout: string, stderr: string) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    execFile(process.execPath, [COMMAND, ...args], { env: environment() }, ended);
  });
}

test('list and show tell the points, their sizes and why a disk was read in full', async () => {
  const listed = await blockferry('list');
  assert.match(listed.stdout, /web-1 +20261121T101112Z-0123456789abcdef .* full: first-backup/);
  const shown = await blockferry('show', '20261121', '--vm', 'web-1');
  assert.equal(shown.code, 0, shown.stderr);
  assert.match(shown.stdout, /finished after 1 min 20 s/);
  assert.match(shown.stdout, /^Host +proved itself by the public key that its API names, with a renewed certificate$/m);
  assert.match(shown.stdout, /0 +root +96\.0 MiB .* full: first-backup/);
});

test('list says how closely each point was verified, as text and as JSON', async () => {
  assert.match((await blockferry('list')).stdout, /VERIFIED [\s\S]* first-backup +at commit/);
  const verify = await blockferry('verify', '--level', '1');
  assert.equal(verify.code, 0, verify.stderr);
  assert.match((await blockferry('list')).stdout, / first-backup +level 1 at \d{4}-/);
  const [point] = JSON.parse((await blockferry('list', '--json')).stdout);
  assert.equal(point.verified.level, 1);
  assert.equal(point.verified.findings, 0);
});

test('a partitioned disk restores byte for byte, and a second restore to the same file is refused', async () => {
  const to = join(folder, 'restored.raw');
  const { code, stdout, stderr } = await blockferry('restore', 'latest', '--to', to);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /restored disk .* 96\.0 MiB, .* of it data/);
  assert.ok((await readFile(to)).equals(image));
  const again = await blockferry('restore', 'latest', '--to', to);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /TargetUnusable: .* exists already/);
});

test('a restore that is killed leaves no file of that name, and the same command goes on', async () => {
  const to = join(folder, 'killed.raw');
  const child = spawn(process.execPath, [COMMAND, 'restore', 'latest', '--to', to], { env: environment() });
  let packs = 0;
  onRequest = (key) => {
    if (key.endsWith('.zst') && ++packs === 1) child.kill('SIGKILL');
  };
  await once(child, 'exit');
  onRequest = () => undefined;
  assert.equal(child.signalCode, 'SIGKILL');
  await assert.rejects(stat(to), { code: 'ENOENT' });
  const { code, stdout, stderr } = await blockferry('restore', 'latest', '--to', to, '--json');
  assert.equal(code, 0, stderr);
  assert.equal(JSON.parse(stdout).resumed, true);
  assert.ok((await readFile(to)).equals(image));
});

test('a VHD is the disk to qemu', async () => {
  const to = join(folder, 'restored.vhd');
  const { code, stderr } = await blockferry('restore', 'latest', '--to', to, '--format', 'vhd', '--read-back');
  assert.equal(code, 0, stderr);
  const raw = join(folder, 'source.raw');
  await writeFile(raw, image);
  const compared = execFileSync('qemu-img', ['compare', '-f', 'raw', '-F', 'vpc', raw, to]).toString();
  assert.match(compared, /Images are identical/);
});

test('serve offers the disk to standard tools until it is interrupted', async () => {
  const socket = join(folder, 'nbd');
  const child = spawn(process.execPath, [COMMAND, 'serve', 'latest', '--socket', socket], { env: environment() });
  const [line] = await once(child.stdout, 'data');
  const uri = String(line).split(' ')[0] ?? '';
  const copy = join(folder, 'served.raw');
  await promisify(execFile)('nbdcopy', [uri, copy]);
  assert.ok((await readFile(copy)).equals(image));
  child.kill('SIGINT');
  const [code] = await once(child, 'exit');
  assert.equal(code, 0);
});

test('serve --json names the exports as one JSON array', async () => {
  const words = ['serve', 'latest', '--json', '--listen', '127.0.0.1:0'];
  const child = spawn(process.execPath, [COMMAND, ...words], { env: environment() });
  const [line] = await once(child.stdout, 'data');
  child.kill('SIGINT');
  await once(child, 'exit');
  const exports = JSON.parse(String(line)) as { uri: string; description: string }[];
  assert.equal(exports.length, 1);
  assert.match(exports[0]?.uri ?? '', /^nbd:\/\/127\.0\.0\.1:\d+\/0$/);
  assert.match(exports[0]?.description ?? '', /root/);
});

test('a directory of an ext4 partition is listed and one file extracted without a restore', async () => {
  const listed = await blockferry('files', 'latest', '/etc', '--partition', '1');
  assert.match(listed.stdout, /hostname/, listed.stderr);
  const to = join(folder, 'hostname');
  const extracted = await blockferry('files', 'latest', '/etc/hostname', '--partition', '1', '--to', to);
  assert.equal(extracted.code, 0, extracted.stderr);
  assert.equal(await readFile(to, 'utf8'), 'web-1\n');
  const large = join(folder, 'large');
  await blockferry('files', 'latest', '/large.bin', '--partition', '1', '--to', large);
  assert.ok((await readFile(large)).equals(Buffer.alloc(3 * MIB, 'large ')));
  const asJson = await blockferry('files', 'latest', '/etc', '--partition', '1', '--json');
  const { entries } = JSON.parse(asJson.stdout) as { entries: { name: string }[] };
  const hostname = entries.find(({ name }) => name === 'hostname');
  assert.partialDeepStrictEqual(hostname, { mode: '100644', bytes: 6 });
  assert.ok(entries.some(({ name }) => name === '..'));
  const missing = await blockferry('files', 'latest', '/no/such', '--partition', '1', '--to', join(folder, 'none'));
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /FilesUnavailable/);
});

test('damage ends with exit code 3 and names the bytes; asked to go on, all else is in the partial file', async () => {
  const to = join(folder, 'damaged.raw');
  const { accessKeyId, secretAccessKey } = server.credentials;
  const credentials = { accessKeyId, secretAccessKey: new Secret(secretAccessKey) };
  using store = s3Store({ bucket: 'vault', endpoint: server.endpoint, credentials });
  for await (const { key } of store.list(vaultKeys.packs(disk.disk))) {
    const body = await store.get(key);
    body[body.length - 4 * MIB] = (body[body.length - 4 * MIB] ?? 0) ^ 1;
    await store.put(key, body);
  }
  const { code, stderr } = await blockferry('restore', 'latest', '--to', to, '--keep-going');
  assert.equal(code, 3, stderr);
  const [, first, last] = /bytes (\d+)-(\d+)/.exec(stderr) ?? [];
  const start = Number(first);
  await using partial = await open(`${to}.partial`);
  const bytes = await partial.readFile();
  const expected = Buffer.from(image);
  expected.fill(0, start, Number(last) + 1);
  assert.ok(bytes.equals(expected));
  assert.ok(Number(last) + 1 - start <= 4 * GRAIN);
});
