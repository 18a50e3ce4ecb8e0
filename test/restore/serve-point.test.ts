import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { NbdServer } from '#lib/nbd-server/server.ts';
import { VaultExport } from '#lib/restore/vault-export.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { MemoryBucket } from '../fakes/memory-store.ts';
import { seededRandom } from '../fakes/random.ts';
import { VaultDisk } from '../fakes/vault-disk.ts';
import { RawClient } from '../nbd-server/raw-client.ts';

const run = promisify(execFile);
const GRAIN = 65_536;
const MIB = 1_048_576;

const folder = await mkdtemp(join(tmpdir(), 'serve-point-'));
after(() => rm(folder, { recursive: true, force: true }));

/** 48 MiB and a bit: data in front, a hole of 16 MiB, scattered data behind, all in two points. */
const bucket = new MemoryBucket();
const image = Buffer.alloc(48 * MIB + 512);
const disk = new VaultDisk(bucket.store(), image.length);
const first = new Map<number, Buffer>();
for (let grain = 0; grain < 769; grain++) {
  const isHole = (grain >= 256 && grain < 512) || (grain > 520 && grain < 768 && grain % 3 === 0);
  if (!isHole) first.set(grain, randomBytes(grain === 768 ? 512 : GRAIN));
}
const second = new Map([3, 4, 5, 600, 601].map((grain) => [grain, randomBytes(GRAIN)] as const));
await disk.addPoint(first);
const seq = await disk.addPoint(second);
for (const [grain, content] of [...first, ...second]) content.copy(image, grain * GRAIN);

async function serve(cacheBytes = 64 * MIB): Promise<NbdServer> {
  const content = await DiskContent.open(bucket.store(), { disk: disk.disk, seq });
  const served = new VaultExport(content, { name: '0', description: 'root of web-1', cacheBytes });
  return NbdServer.start({ disks: [served], listen: { host: '127.0.0.1', port: 0 } });
}

test('nbdcopy and qemu-img convert give the image of the disk', async () => {
  await using server = await serve();
  const copy = join(folder, 'nbdcopy.raw');
  await run('nbdcopy', [`${server.uri}/0`, copy]);
  assert.ok((await readFile(copy)).equals(image), 'nbdcopy');
  const converted = join(folder, 'converted.raw');
  await run('qemu-img', ['convert', '-f', 'raw', '-O', 'raw', `${server.uri}/0`, converted]);
  // qemu counts in sectors and would round an odd size up; this one is whole sectors.
  assert.ok((await readFile(converted)).equals(image), 'qemu-img');
});

test('nbdinfo --map shows the holes, and a copy does not transfer them', async () => {
  await using server = await serve();
  const { stdout } = await run('nbdinfo', ['--map', '--json', `${server.uri}/0`]);
  const map: { offset: number; length: number; type: number }[] = JSON.parse(stdout);
  assert.ok(map.some(({ offset, length, type }) => offset === 256 * GRAIN && length === 256 * GRAIN && type === 3));
  const data = map.filter(({ type }) => type === 0).reduce((sum, { length }) => sum + length, 0);
  assert.equal(data, (new Set([...first.keys(), ...second.keys()]).size - 1) * GRAIN + 512);
});

test('ten thousand random reads of sixteen clients at once are what the disk holds', async () => {
  await using server = await serve();
  const random = seededRandom(16);
  const client = async () => {
    using connection = await RawClient.connect(server.uri);
    await connection.go('0');
    for (let read = 0; read < 625; read++) {
      const length = 1 + Math.floor(random() ** 4 * 300_000);
      const offset = Math.floor(random() * (image.length - length));
      const { error, data } = await connection.request(0, { offset, length });
      assert.equal(error, 0);
      assert.ok(data.equals(image.subarray(offset, offset + length)), `${length} bytes at ${offset}`);
    }
  };
  await Promise.all(Array.from({ length: 16 }, client));
});

test('a client that reads in order is read ahead for: few requests for many reads', async () => {
  await using server = await serve();
  using connection = await RawClient.connect(server.uri);
  await connection.go('0');
  const before = bucket.count({ operation: 'get' });
  for (let offset = 0; offset < 16 * MIB; offset += GRAIN) await connection.request(0, { offset, length: GRAIN });
  const gets = bucket.count({ operation: 'get' }) - before;
  assert.ok(gets < 30, `${gets} requests for 64 windows`);
});

test('what was read lately is not fetched again', async () => {
  await using server = await serve();
  using connection = await RawClient.connect(server.uri);
  await connection.go('0');
  await connection.request(0, { offset: 2 * MIB, length: 4096 });
  const before = bucket.requests.length;
  for (let read = 0; read < 50; read++) await connection.request(0, { offset: 2 * MIB + read * 4096, length: 4096 });
  assert.equal(bucket.requests.length, before);
});

test('a damaged frame is an error for those who read it, and not for others', async () => {
  const content = await DiskContent.open(bucket.store(), { disk: disk.disk, seq });
  const served = new VaultExport(content, { name: '0', description: '', cacheBytes: MIB });
  const [key] = bucket.objects.keys(`disks/${disk.disk}/packs/`);
  const body = bucket.objects.current(key ?? '')?.body;
  assert.ok(body);
  body[100] = (body[100] ?? 0) ^ 1;
  try {
    await assert.rejects(served.read(0, 512), { name: 'DamagedObject' });
    await assert.rejects(served.read(0, 8 * MIB), { name: 'DamagedObject' });
    const pieces = await served.read(4 * GRAIN, 8 * GRAIN);
    assert.ok(Buffer.concat(pieces).equals(image.subarray(4 * GRAIN, 12 * GRAIN)));
  } finally {
    body[100] = (body[100] ?? 0) ^ 1;
  }
  assert.ok(Buffer.concat(await served.read(0, 512)).equals(image.subarray(0, 512)), 'once repaired it is read again');
});
