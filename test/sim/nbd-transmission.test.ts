import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { promisify } from 'node:util';
import { type Simulator, startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';
import { ApiClient } from './api-client.ts';
import { NbdBytes } from './nbd-bytes.ts';

const MIB = 1_048_576;
const SIZE = 8 * MIB;
const [READ, WRITE, DISC, FLUSH, TRIM] = [0, 1, 2, 3, 4];
const content = randomBytes(SIZE);

let pool: Simulator;
let api: ApiClient;
let exportName: string;
let nbd: NbdBytes;
before(async () => {
  pool = await startSimulator({ timings: FAST_TIMINGS });
  api = await ApiClient.login(pool);
  const { vdis } = await pool.addVm({ name: 'vm', disks: [{ bytes: content }] });
  exportName = `/${(await api.snapshot(vdis[0]!)).uuid}?session_id=${api.session}`;
});
after(async () => {
  nbd.end();
  await pool.stop();
});
beforeEach(async () => {
  nbd?.end();
  nbd = (await NbdBytes.attached(pool, exportName)).client;
});

async function header(): Promise<{ error: number; handle: bigint }> {
  const bytes = await nbd.take(16);
  assert.equal(bytes.readUInt32BE(0), 0x67446698);
  return { error: bytes.readUInt32BE(4), handle: bytes.readBigUInt64BE(8) };
}

async function isDead(): Promise<void> {
  nbd.request({ offset: 0n, length: 512 });
  assert.equal((await nbd.rest()).length, 0);
}

test('requests sent ahead are answered one after another in their order', async () => {
  const wanted = [
    { handle: 9n, offset: 4n * 512n, length: 3 * MIB },
    { handle: 3n, offset: 0n, length: 512 },
    { handle: 7n, offset: BigInt(SIZE - MIB), length: MIB },
  ];
  for (const request of wanted) nbd.request(request);
  for (const { handle, offset, length } of wanted) {
    assert.deepEqual(await header(), { error: 0, handle });
    assert.deepEqual(await nbd.take(length), content.subarray(Number(offset), Number(offset) + length));
  }
});

test('DISC ends the connection cleanly', async () => {
  nbd.request({ type: DISC! });
  assert.equal((await nbd.rest()).length, 0);
});

test('a read that is not aligned to sectors is EINVAL, and the connection ends', async () => {
  for (const request of [
    { offset: 1n, length: 512 },
    { offset: 0n, length: 100 },
  ]) {
    nbd.end();
    nbd = (await NbdBytes.attached(pool, exportName)).client;
    nbd.request(request);
    assert.equal((await header()).error, 22);
    await isDead();
  }
});

test('WRITE is EPERM, and the connection ends with the payload unread', async () => {
  nbd.request({ type: WRITE!, length: 512 });
  nbd.send(Buffer.alloc(512));
  assert.equal((await header()).error, 1);
  await isDead();
});

test('FLUSH, TRIM and commands with a flag are EINVAL, and the connection ends', async () => {
  for (const type of [FLUSH!, TRIM!, 0x0001_0000 | READ!]) {
    nbd.end();
    nbd = (await NbdBytes.attached(pool, exportName)).client;
    nbd.request({ type, length: 512 });
    assert.equal((await header()).error, 22);
    await isDead();
  }
});

test('a read past the end says OK, sends the pieces that exist and is cut', async () => {
  nbd.request({ offset: BigInt(SIZE - 524_288), length: MIB });
  assert.equal((await header()).error, 0);
  assert.deepEqual(await nbd.rest(), content.subarray(SIZE - 524_288));
});

test('a bad sector says OK and is cut at the piece it lies in', async () => {
  pool.faults.nbdBadByte = MIB + 5;
  nbd.request({ offset: 0n, length: 2 * MIB });
  assert.equal((await header()).error, 0);
  assert.equal((await nbd.rest()).length, MIB);
  pool.faults.nbdBadByte = undefined;
});

test('a length of 2 GiB or more is cut after the OK', async () => {
  nbd.request({ offset: 0n, length: 0x8000_0000 });
  assert.equal((await header()).error, 0);
  assert.equal((await nbd.rest()).length, 0);
});

test('a connection can be cut or fall silent in the middle, and a bit can flip', async () => {
  pool.faults.nbdCutAfterBytes = 1000;
  nbd.request({ length: MIB });
  await header();
  assert.deepEqual(await nbd.rest(), content.subarray(0, 1000));
  pool.faults.nbdCutAfterBytes = undefined;
  pool.faults.nbdFlippedByte = 3;
  nbd = (await NbdBytes.attached(pool, exportName)).client;
  nbd.request({ length: 512 });
  await header();
  const flipped = Buffer.from(content.subarray(0, 512));
  flipped[3]! ^= 0x80;
  assert.deepEqual(await nbd.take(512), flipped);
  pool.faults.nbdFlippedByte = undefined;
  pool.faults.nbdStallAfterBytes = 600;
  nbd.request({ length: 1024 });
  await header();
  assert.equal((await nbd.take(88)).length, 88);
  assert.equal(nbd.socket.closed, false);
  pool.faults.nbdStallAfterBytes = undefined;
});

test('logging out does not touch an open connection but prevents new ones', async () => {
  const other = await ApiClient.login(pool);
  const name = exportName.replace(api.session, other.session);
  const open = (await NbdBytes.attached(pool, name)).client;
  await other.call('session.logout');
  open.request({ length: 512 });
  assert.equal((await open.take(528)).length, 528);
  open.end();
  const late = await NbdBytes.secured(pool);
  late.option(1, Buffer.from(name));
  assert.equal((await late.rest()).length, 0);
  late.end();
});

test('plugging one disk twice at the same moment can be made to fail', async () => {
  pool.faults.simultaneousPlugsFail = true;
  const replies = await Promise.all([NbdBytes.attached(pool, exportName), NbdBytes.attached(pool, exportName)]);
  pool.faults.simultaneousPlugsFail = false;
  assert.deepEqual(replies.map(({ reply }) => reply.length).sort(), [0, 134].sort());
  for (const { client } of replies) client.end();
});

test('bytes and requests are counted per disk', async () => {
  const [uuid] = exportName.slice(1).split('?');
  const before = pool.counters;
  nbd.request({ length: MIB });
  await nbd.take(16 + MIB);
  const { nbdBytesByVdi, nbdReadRequests } = pool.counters;
  assert.equal(nbdBytesByVdi[uuid!]! - before.nbdBytesByVdi[uuid!]!, MIB);
  assert.equal(nbdReadRequests - before.nbdReadRequests, 1);
});

test('libnbd sees a read-only export with TLS for a single connection, and copies it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nbdinfo-'));
  try {
    await writeFile(join(folder, 'ca-cert.pem'), pool.certificatePem);
    const uri = `nbds://127.0.0.1:${pool.nbdPort}/${encodeURIComponent(exportName)}?tls-certificates=${folder}`;
    const run = promisify(execFile);
    const info = (await run('nbdinfo', [uri])).stdout;
    assert.match(info, /protocol: newstyle-fixed with TLS, using simple packets/);
    assert.match(info, /export-size: 8388608/);
    assert.match(info, /is_read_only: true/);
    assert.match(info, /can_multi_conn: false/);
    const copy = await run('nbdcopy', ['--request-size=1048576', uri, '-'], {
      encoding: 'buffer',
      maxBuffer: 2 * SIZE,
    });
    const sum = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    assert.equal(sum(copy.stdout), sum(content));
  } finally {
    await rm(folder, { recursive: true });
  }
});
