import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { DiskStore, GRAIN_BYTES } from '#sim/disks/disk-layers.ts';
import { startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';
import { ApiClient } from './api-client.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'layers-'));
});
after(() => rm(folder, { recursive: true }));

test('any order of writes, snapshots and removals reads back like plain buffers', async () => {
  const store = new DiskStore(folder);
  const size = 20 * GRAIN_BYTES + 512;
  const live = store.empty(size);
  const model = Buffer.alloc(size);
  const frozen: { image: ReturnType<typeof live.freeze>; content: Buffer }[] = [];
  let seed = 12345;
  const draw = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed % below;
  };
  for (let step = 0; step < 300; step += 1) {
    if (draw(6) === 0) frozen.push({ image: live.freeze(), content: Buffer.from(model) });
    if (draw(9) === 0) frozen.splice(draw(frozen.length || 1), 1)[0]?.image.drop();
    const offset = draw(size);
    const bytes = randomBytes(Math.min(1 + draw(3 * GRAIN_BYTES), size - offset));
    live.write(offset, bytes);
    bytes.copy(model, offset);
  }
  assert.ok((await live.read(0, size)).equals(model));
  for (const { image, content } of frozen) assert.ok((await image.read(0, size)).equals(content));
  const from = draw(size);
  assert.ok((await live.read(from, size - from)).equals(model.subarray(from)));
  for (const { image } of frozen) image.drop();
  live.drop();
  assert.deepEqual(await readdir(folder), []);
});

test("the user's image file is read and never written, and its zeros count as holes", async () => {
  const file = join(folder, 'user.raw');
  const content = Buffer.concat([randomBytes(GRAIN_BYTES), Buffer.alloc(GRAIN_BYTES), randomBytes(100)]);
  await writeFile(file, content);
  const store = new DiskStore(folder);
  const disk = await store.overFile(file, content.length);
  assert.equal(disk.allocatedBytes, 2 * GRAIN_BYTES);
  disk.write(10, Buffer.from('overlay'));
  const expected = Buffer.from(content);
  expected.write('overlay', 10);
  assert.ok((await disk.read(0, content.length)).equals(expected));
  assert.ok((await readFile(file)).equals(content));
  store.closeAll();
  await rm(file);
});

test('turning a disk into a second image writes and marks exactly the blocks that differ', async () => {
  const blocks = 40;
  const first = randomBytes(blocks * GRAIN_BYTES);
  const second = Buffer.from(first);
  for (const block of [3, 17, 39]) second[block * GRAIN_BYTES + 5]! ^= 1;
  const [one, two] = [join(folder, 'first.raw'), join(folder, 'second.raw')];
  await writeFile(one, first);
  await writeFile(two, second);
  await using pool = await startSimulator({ timings: FAST_TIMINGS });
  const { vdis } = await pool.addVm({ name: 'vm', disks: [{ file: one }] });
  const client = await ApiClient.login(pool);
  await client.call('VDI.enable_cbt', await client.call('VDI.get_by_uuid', vdis[0]));
  const base = await client.snapshot(vdis[0]!);
  assert.equal(await pool.writeDifferences(vdis[0]!, two), 3);
  const next = await client.snapshot(vdis[0]!);
  const bitmap = Buffer.from(await client.call('VDI.list_changed_blocks', base.ref, next.ref), 'base64');
  assert.equal(bitmap.toString('hex'), '1000400001');
  const pieces: Buffer[] = [];
  for await (const piece of pool.diskImage(vdis[0]!)) pieces.push(piece as Buffer);
  assert.ok(Buffer.concat(pieces).equals(second));
});

test('stopping removes the temporary folder', async () => {
  const usual = process.env['TMPDIR'];
  const emptyFolder = await mkdtemp(join(folder, 'tmp-'));
  process.env['TMPDIR'] = emptyFolder;
  try {
    await using pool = await startSimulator({ timings: FAST_TIMINGS });
    await pool.addVm({ name: 'vm', disks: [{ bytes: Buffer.alloc(1) }] });
    assert.equal((await readdir(emptyFolder)).length, 1);
    await pool.stop();
    assert.deepEqual(await readdir(emptyFolder), []);
  } finally {
    if (usual === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = usual;
  }
});
