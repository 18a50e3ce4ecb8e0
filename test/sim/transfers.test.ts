import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { type Simulator, startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';
import { type Answer, ApiClient, httpRequest, rawConnection, untilEnd } from './api-client.ts';

const MIB = 1_048_576;
const run = promisify(execFile);
const reader = { username: 'rita', password: 'r', role: 'read-only' } as const;
let pool: Simulator;
let client: ApiClient;
let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'transfers-'));
  pool = await startSimulator({ timings: FAST_TIMINGS, users: [reader] });
  client = await ApiClient.login(pool);
});
after(async () => {
  await pool.stop();
  await rm(folder, { recursive: true });
});

/** A halted VM's disk: 16 MiB with data in the first, fifth and last MiB. */
async function sparseDisk(): Promise<{ uuid: string; ref: string; content: Buffer }> {
  const content = Buffer.alloc(16 * MIB);
  for (const at of [0, 5, 15]) randomBytes(MIB).copy(content, at * MIB);
  const { vdis } = await pool.addVm({ name: 'sparse', disks: [{ sizeBytes: 16 * MIB }], halted: true });
  for (const at of [0, 5, 15]) pool.write(vdis[0]!, at * MIB, content.subarray(at * MIB, (at + 1) * MIB));
  return { uuid: vdis[0]!, ref: await client.call('VDI.get_by_uuid', vdis[0]), content };
}

function get(path: string, query: Record<string, string>): Promise<Answer> {
  const search = new URLSearchParams({ session_id: client.session, ...query });
  return httpRequest(pool, { method: 'GET', path: `${path}?${search}` });
}

function put(path: string, query: Record<string, string>, body: Buffer): Promise<Answer> {
  const search = new URLSearchParams({ session_id: client.session, ...query });
  const headers = { 'content-length': String(body.length) };
  return httpRequest(pool, { method: 'PUT', path: `${path}?${search}`, headers, body });
}

const newTask = (): Promise<string> => client.call('task.create', 'transfer', '');

function chunk(offset: number, data: Buffer): Buffer {
  const header = Buffer.alloc(12);
  header.writeBigUInt64LE(BigInt(offset), 0);
  header.writeUInt32LE(data.length, 8);
  return Buffer.concat([header, data]);
}

test('a raw export is the whole disk without a length, and its task succeeds', async () => {
  const disk = await sparseDisk();
  const task = await newTask();
  const { status, headers, body } = await get('/export_raw_vdi', { vdi: disk.uuid, task_id: task });
  assert.equal(status, 200);
  assert.equal(headers['content-length'], undefined);
  assert.equal(headers['task-id'], task);
  assert.ok(Buffer.from(body, 'latin1').equals(disk.content));
  assert.equal((await client.finished(task)).status, 'success');
});

test('a VHD export begins with footer, header and block table, and qemu-img reads the same disk from it', async () => {
  const disk = await sparseDisk();
  const vhd = Buffer.from((await get('/export_raw_vdi', { vdi: disk.ref, format: 'vhd' })).body, 'latin1');
  assert.equal(vhd.toString('latin1', 0, 8), 'conectix');
  assert.equal(vhd.toString('latin1', 512, 520), 'cxsparse');
  const table = Array.from({ length: 8 }, (_, block) => vhd.readUInt32BE(1536 + 4 * block) !== 0xffffffff);
  assert.deepEqual(table, [true, false, true, false, false, false, false, true]);
  const [source, raw] = [join(folder, 'disk.vhd'), join(folder, 'disk.raw')];
  await writeFile(source, vhd);
  await run('qemu-img', ['convert', '-f', 'vpc', '-O', 'raw', source, raw]);
  assert.ok((await readFile(raw)).equals(disk.content));
});

test('a client may close a VHD export after the block table', async () => {
  const disk = await sparseDisk();
  const socket = await rawConnection(pool);
  socket.write(`GET /export_raw_vdi?session_id=${client.session}&vdi=${disk.uuid}&format=vhd HTTP/1.1\r\n\r\n`);
  await new Promise((resolve) => socket.once('readable', resolve));
  socket.destroy();
  for (let tries = 0; tries < 100 && pool.counters.dom0Vbds > 0; tries += 1) await client.call('pool.get_all');
  assert.equal((await get('/export_raw_vdi', { vdi: disk.uuid, format: 'vhd' })).status, 200);
});

test('a differencing VHD holds only what changed since its base', async () => {
  const disk = await sparseDisk();
  const base = await client.snapshot(disk.uuid);
  pool.write(disk.uuid, 9 * MIB, Buffer.from('difference'));
  const { body } = await get('/export_raw_vdi', { vdi: disk.uuid, format: 'vhd', base: base.uuid });
  const vhd = Buffer.from(body, 'latin1');
  assert.equal(vhd.readUInt32BE(60), 4);
  const present = Array.from({ length: 8 }, (_, block) => block).filter(
    (block) => vhd.readUInt32BE(1536 + 4 * block) !== 0xffffffff,
  );
  assert.deepEqual(present, [4]);
  const bitmap = vhd.subarray(2048, 2560);
  assert.equal(
    bitmap.findIndex((byte) => byte !== 0),
    MIB / 512 / 8,
  );
  assert.equal(bitmap.filter((byte) => byte !== 0).length, 65_536 / 512 / 8);
});

test('a chunked import writes at its offsets and leaves the rest alone', async () => {
  const disk = await sparseDisk();
  const task = await newTask();
  const body = Buffer.concat([
    chunk(3 * MIB + 512, Buffer.alloc(3 * MIB, 9)),
    chunk(512, Buffer.from('x'.repeat(512))),
    Buffer.alloc(12),
  ]);
  const { status, headers } = await put('/import_raw_vdi', { vdi: disk.uuid, task_id: task, chunked: 'true' }, body);
  assert.deepEqual([status, headers['task-id']], [200, task]);
  assert.equal((await client.finished(task)).status, 'success');
  disk.content.fill(9, 3 * MIB + 512, 6 * MIB + 512).fill('x', 512, 1024);
  assert.ok((await pool.read(disk.uuid, 0, 16 * MIB)).equals(disk.content));
});

test('the 200 comes before the body is read, and only the task tells of a failure', async () => {
  const disk = await sparseDisk();
  const task = await newTask();
  const socket = await rawConnection(pool);
  const end = untilEnd(socket);
  socket.write(
    `PUT /import_raw_vdi?session_id=${client.session}&vdi=${disk.uuid}&task_id=${task}&chunked=true HTTP/1.1\r\n\r\n`,
  );
  const first = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
  assert.match(first.toString(), /^HTTP\/1\.1 200 OK/);
  assert.equal(await client.call('task.get_status', task), 'pending');
  socket.write(chunk(16 * MIB, Buffer.from('behind the end')));
  assert.match((await end).toString(), /200 OK.*HTTP\/1\.1 500/s);
  const { status, error_info } = await client.finished(task);
  assert.deepEqual([status, error_info[0]], ['failure', 'VDI_IO_ERROR']);
});

test('a raw import without a VDI creates one as large as the body', async () => {
  const [sr] = await client.call('SR.get_all');
  const task = await newTask();
  const content = randomBytes(2 * MIB);
  await put('/import_raw_vdi', { sr_id: sr, task_id: task }, content);
  const { result } = await client.finished(task);
  const ref = /<value>(.*)<\/value>/.exec(result)?.[1];
  const record = await client.call('VDI.get_record', ref);
  assert.deepEqual([record.name_label, record.virtual_size], ['Imported VDI', 2 * MIB]);
  assert.ok((await pool.read(record.uuid, 0, 2 * MIB)).equals(content));
});

test('a VHD made by qemu-img can be imported', async () => {
  const { content } = await sparseDisk();
  const [raw, vhd] = [join(folder, 'in.raw'), join(folder, 'in.vhd')];
  await writeFile(raw, content);
  await run('qemu-img', ['convert', '-f', 'raw', '-O', 'vpc', '-o', 'force_size=on', raw, vhd]);
  const [sr] = await client.call('SR.get_all');
  const ref = await client.call('VDI.create', {
    name_label: 'new',
    SR: sr,
    virtual_size: String(16 * MIB),
    type: 'user',
    sharable: false,
    read_only: false,
    other_config: {},
  });
  const task = await newTask();
  await put('/import_raw_vdi', { vdi: ref, format: 'vhd', task_id: task }, await readFile(vhd));
  assert.equal((await client.finished(task)).status, 'success');
  assert.ok((await pool.read(await client.call('VDI.get_uuid', ref), 0, 16 * MIB)).equals(content));
});

test('Transfer-Encoding is refused with 404 and fails the task', async () => {
  const disk = await sparseDisk();
  const task = await newTask();
  const search = new URLSearchParams({ session_id: client.session, vdi: disk.uuid, task_id: task });
  const headers = { 'transfer-encoding': 'chunked' };
  const { status } = await httpRequest(pool, { method: 'PUT', path: `/import_raw_vdi?${search}`, headers, body: 'x' });
  assert.equal(status, 404);
  assert.equal((await client.finished(task)).error_info[0], 'INTERNAL_ERROR');
});

test('name and password do instead of a session; without either it is 401, with too weak a role 403', async () => {
  const disk = await sparseDisk();
  const path = `/export_raw_vdi?vdi=${disk.uuid}&format=vhd`;
  const basic = (username: string, password: string) => ({
    authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
  });
  const status = async (headers: Record<string, string>) =>
    (await httpRequest(pool, { method: 'GET', path, headers })).status;
  assert.equal(await status(basic(pool.credentials.username, pool.credentials.password)), 200);
  assert.equal(await status({ cookie: `session_id=${client.session}` }), 200);
  assert.equal(await status(basic(reader.username, reader.password)), 403);
  const refused = await httpRequest(pool, { method: 'GET', path });
  assert.equal(refused.status, 401);
  assert.match(String(refused.headers['www-authenticate']), /^Basic realm/);
});

test('a host that does not reach the storage redirects, with the session in the address', async () => {
  await using two = await startSimulator({ timings: FAST_TIMINGS, supporters: 1 });
  const api = await ApiClient.login(two);
  const { vdis } = await two.addVm({ name: 'vm', disks: [{ sizeBytes: 2 * MIB }], halted: true });
  const [pbd] = await api.call('PBD.get_all');
  await api.call('PBD.unplug', pbd);
  const path = `/export_raw_vdi?session_id=${api.session}&vdi=${vdis[0]}`;
  const { status, headers } = await httpRequest(two, { method: 'GET', path });
  assert.deepEqual([status, headers['location']], [302, `${two.supporterUrls[0]}${path}`]);
  assert.equal((await httpRequest(two, { method: 'GET', path, url: two.supporterUrls[0]! })).status, 200);
});

test('an export can answer 200 and then 500 inside the body', async () => {
  const disk = await sparseDisk();
  pool.faults.exportAnswersTwice = true;
  const { status, body } = await get('/export_raw_vdi', { vdi: disk.uuid });
  pool.faults.exportAnswersTwice = false;
  assert.equal(status, 200);
  assert.match(body, /^HTTP\/1\.1 500 /);
});

test('an export that ends early looks complete to HTTP: only its size and its task tell', async () => {
  const disk = await sparseDisk();
  const [out, into] = [await newTask(), await newTask()];
  pool.faults.transferCutAfterBytes = 3 * MIB;
  assert.equal((await get('/export_raw_vdi', { vdi: disk.uuid, task_id: out })).body.length, 3 * MIB);
  await put('/import_raw_vdi', { vdi: disk.uuid, task_id: into }, Buffer.alloc(16 * MIB)).catch(
    (error: Error) => error,
  );
  pool.faults.transferCutAfterBytes = undefined;
  for (const task of [out, into]) assert.equal((await client.finished(task)).error_info[0], 'VDI_IO_ERROR');
});

test('VM metadata is a tar with ova.xml, and importing it makes a VM on other disks', async () => {
  const { uuid, vdis } = await pool.addVm({
    name: 'moved & kept',
    tags: ['t'],
    disks: [{ sizeBytes: MIB }, { sizeBytes: MIB }],
  });
  const archive = Buffer.from((await get('/export_metadata', { uuid })).body, 'latin1');
  await writeFile(join(folder, 'meta.tar'), archive);
  const listing = await run('tar', ['-tf', join(folder, 'meta.tar')]);
  assert.equal(listing.stdout, 'ova.xml\n');
  const [sr] = await client.call('SR.get_all');
  const fresh = await client.call('VDI.create', { name_label: 'new', SR: sr, virtual_size: '2097152', type: 'user' });
  const freshUuid = await client.call('VDI.get_uuid', fresh);
  const task = await newTask();
  await put('/import_metadata', { task_id: task, [`vdi:${vdis[0]}`]: freshUuid }, archive);
  const { result } = await client.finished(task);
  const vm = /OpaqueRef:[-0-9a-f]+/.exec(result)?.[0];
  const record = await client.call('VM.get_record', vm);
  assert.deepEqual([record.name_label, record.tags, record.power_state], ['moved & kept', ['t'], 'Halted']);
  assert.notEqual(record.uuid, uuid);
  const disks = await Promise.all(record.VBDs.map((vbd: string) => client.call('VBD.get_VDI', vbd)));
  assert.deepEqual(disks, [fresh, await client.call('VDI.get_by_uuid', vdis[1])]);
});

test('metadata that names a disk nobody has fails its task', async () => {
  const { uuid } = await pool.addVm({ name: 'lost', disks: [{ sizeBytes: MIB }], halted: true });
  const archive = Buffer.from((await get('/export_metadata', { uuid })).body, 'latin1');
  const [vm] = await client.call('VM.get_by_name_label', 'lost');
  const [vbd] = await client.call('VM.get_VBDs', vm);
  await client.call('VDI.destroy', await client.call('VBD.get_VDI', vbd));
  const task = await newTask();
  await put('/import_metadata', { task_id: task }, archive);
  assert.equal((await client.finished(task)).error_info[0], 'IMPORT_ERROR_FAILED_TO_FIND_OBJECT');
});
