import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { findPoint } from '#lib/restore/points.ts';
import { parseDiskId } from '#lib/units.ts';
import { readHead } from '#lib/vault/ledger.ts';
import { ManifestReader } from '#lib/vault/manifest-reader.ts';
import { LoneSite } from '../fakes/lone-site.ts';

const GRAIN = 65_536;

/** Content in which data, zeros and short ends all occur. */
function mixedContent(bytes: number): Buffer {
  const content = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += 3 * GRAIN) randomBytes(Math.min(GRAIN, bytes - at)).copy(content, at);
  return content;
}

const nameOf = (pointKey: string) => /([^/]+)\.json$/.exec(pointKey)?.[1] ?? '';

async function siteWithDisk(bytes: Uint8Array, sizeBytes?: number) {
  const site = await LoneSite.start();
  const vm = await site.sim.addVm({ name: 'web', disks: [sizeBytes === undefined ? { bytes } : { bytes, sizeBytes }] });
  return { site, vm: vm.uuid, vdi: vm.vdis[0] ?? '' };
}

test('a full and an increment both restore to what the disk was at their time', async () => {
  const { site, vm, vdi } = await siteWithDisk(mixedContent(8 * 1024 * 1024));
  await using _ = site;
  const before = await site.diskBytes(vdi);
  const first = await site.backUp(vm);
  assert.equal(first.outcome, 'committed');
  site.sim.write(vdi, 5 * GRAIN + 100, randomBytes(3 * GRAIN));
  site.sim.write(vdi, 40 * GRAIN, Buffer.alloc(GRAIN));
  const after = await site.diskBytes(vdi);
  assert.equal((await site.backUp(vm)).outcome, 'committed');
  assert.ok((await site.restore({ point: nameOf(first.point) })).equals(before), 'point 1');
  assert.ok((await site.restore({ point: 'latest' })).equals(after), 'point 2');
});

test('an increment reads from NBD exactly the changed grains and stores only those whose content is new', async () => {
  const content = mixedContent(64 * GRAIN);
  const { site, vm, vdi } = await siteWithDisk(content);
  await using _ = site;
  await site.backUp(vm);
  const readBefore = Object.values(site.sim.counters.nbdBytesByVdi).reduce((sum, bytes) => sum + bytes, 0);
  assert.equal(readBefore, 64 * GRAIN, 'the full reads the whole disk');
  site.sim.write(vdi, 10 * GRAIN, randomBytes(GRAIN));
  site.sim.write(vdi, 20 * GRAIN + 5, Buffer.from('changed'));
  site.sim.write(vdi, 30 * GRAIN, content.subarray(30 * GRAIN, 31 * GRAIN));
  site.sim.write(vdi, 33 * GRAIN, Buffer.alloc(GRAIN));
  const run = await site.prepare(site.request(vm));
  await site.readShards(run);
  const read = Object.values(site.sim.counters.nbdBytesByVdi).reduce((sum, bytes) => sum + bytes, 0) - readBefore;
  assert.equal(read, 4 * GRAIN);
  const receipts = site.objectsUnder(`runs/${run}/receipts/`);
  assert.equal(receipts.length, 1);
  const [receipt] = receipts.map(({ body }) => JSON.parse(body.toString()));
  assert.deepEqual(
    { data: receipt.data, zero: receipt.zero, unchanged: receipt.unchanged },
    { data: 2, zero: 1, unchanged: 1 },
  );
});

for (const [what, bytes] of [
  ['not a multiple of 64 KiB', 5 * GRAIN + 512],
  ['not a multiple of 2 MiB', 33 * GRAIN],
  ['not a multiple of the frame window', 6 * GRAIN],
  ['of a single sector', 512],
] as const) {
  test(`a disk whose size is ${what} backs up and restores`, async () => {
    const { site, vm, vdi } = await siteWithDisk(randomBytes(bytes));
    await using _ = site;
    const { point } = await site.backUp(vm);
    const before = await site.diskBytes(vdi);
    site.sim.write(vdi, bytes - 300, randomBytes(300));
    await site.backUp(vm);
    assert.ok((await site.restore({ point: nameOf(point) })).equals(before), 'point 1');
    assert.ok((await site.restore({ point: 'latest' })).equals(await site.diskBytes(vdi)), 'point 2');
  });
}

test('a disk to which nothing was ever written is a point without a pack', async () => {
  const { site, vm, vdi } = await siteWithDisk(Buffer.alloc(0), 40 * GRAIN);
  await using _ = site;
  const { storedBytes } = await site.backUp(vm);
  assert.equal(storedBytes, 0);
  assert.equal(site.objectsUnder(`disks/${vdi}/packs/`).length, 0);
  assert.ok((await site.restore({ point: 'latest' })).equals(Buffer.alloc(40 * GRAIN)));
});

test('a disk of which everything changed backs up and restores', async () => {
  const { site, vm, vdi } = await siteWithDisk(randomBytes(40 * GRAIN));
  await using _ = site;
  await site.backUp(vm);
  site.sim.write(vdi, 0, randomBytes(40 * GRAIN));
  await site.backUp(vm);
  assert.ok((await site.restore({ point: 'latest' })).equals(await site.diskBytes(vdi)));
});

test('a disk that grew between runs stays incremental and restores with its new size', async () => {
  const { site, vm, vdi } = await siteWithDisk(randomBytes(33 * GRAIN + 512));
  await using _ = site;
  await site.backUp(vm);
  site.sim.resize(vdi, 80 * GRAIN);
  site.sim.write(vdi, 70 * GRAIN, randomBytes(GRAIN));
  await site.backUp(vm);
  const { point } = await findPoint(site.store, { point: 'latest' });
  assert.equal(point.disks[0]?.kind, 'incremental');
  assert.ok((await site.restore({ point: 'latest' })).equals(await site.diskBytes(vdi)));
});

test('after a run the host holds one CBT metadata snapshot for each disk, no session and no NBD connection', async () => {
  await using site = await LoneSite.start();
  const vm = await site.sim.addVm({
    name: 'two disks',
    disks: [{ bytes: randomBytes(4 * GRAIN) }, { bytes: randomBytes(8 * GRAIN) }],
  });
  for (let run = 0; run < 3; run++) {
    await site.backUp(vm.uuid);
    const { snapshots, cbtMetadata, sessions, nbdConnections, dom0Vbds } = site.sim.counters;
    assert.deepEqual(
      { snapshots, metadata: cbtMetadata.length, sessions, nbdConnections, dom0Vbds },
      { snapshots: [], metadata: 2, sessions: 0, nbdConnections: 0, dom0Vbds: 0 },
    );
  }
  const left = site.objectsUnder('').map(({ key }) => key);
  assert.deepEqual(
    left.filter((key) => key.startsWith('connections/') || key.endsWith('lease.json')),
    [],
  );
});

test('zstd prints the grains of a pack', async () => {
  const content = randomBytes(9 * GRAIN);
  const { site, vm } = await siteWithDisk(content);
  await using _ = site;
  await site.backUp(vm);
  const [pack] = site.objectsUnder('disks/').filter(({ key }) => key.endsWith('.zst'));
  assert.ok(pack);
  const path = await site.imageFile('pack.zst', pack.body);
  assert.ok(execFileSync('zstd', ['-dc', path], { maxBuffer: 16 * 1024 * 1024 }).equals(content));
});

test('backup never reads a pack', async () => {
  const { site, vm, vdi } = await siteWithDisk(randomBytes(40 * GRAIN));
  await using _ = site;
  await site.backUp(vm);
  site.sim.write(vdi, 0, randomBytes(3 * GRAIN));
  await site.backUp(vm);
  const packReads = site.bucket.requests.filter(({ operation, key }) => operation === 'get' && key.endsWith('.zst'));
  assert.deepEqual(packReads, []);
});

test('a lost CBT chain makes a full that stores only what really changed', async () => {
  const { site, vm, vdi } = await siteWithDisk(randomBytes(40 * GRAIN));
  await using _ = site;
  await site.backUp(vm);
  site.sim.write(vdi, 7 * GRAIN, randomBytes(GRAIN));
  site.sim.crashHost();
  const { storedBytes } = await site.backUp(vm);
  assert.ok(storedBytes < 2 * GRAIN, `${storedBytes} bytes stored for one changed grain`);
  assert.ok((await site.restore({ point: 'latest' })).equals(await site.diskBytes(vdi)));
  const head = await readHead(site.store, parseDiskId(vdi));
  assert.ok(head);
  const { header } = await ManifestReader.open(site.store, head.entry.manifest);
  assert.equal(
    header.packs.reduce((sum, pack) => sum + pack.live, 0),
    40,
  );
});
