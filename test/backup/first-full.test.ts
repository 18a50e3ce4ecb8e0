import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { LoneSite, type SiteOptions } from '../fakes/lone-site.ts';

const MIB = 1_048_576;

/** 16 MiB with data in the third and the last block of 2 MiB, and a short last block. */
async function siteWithHoles(options: SiteOptions = {}) {
  const site = await LoneSite.start(options);
  const vm = await site.sim.addVm({ name: 'sparse', disks: [{ sizeBytes: 15 * MIB }] });
  const [vdi = ''] = vm.vdis;
  site.sim.write(vdi, 4 * MIB + 100, randomBytes(70_000));
  site.sim.write(vdi, 15 * MIB - 512, randomBytes(512));
  return { site, vm: vm.uuid, vdi };
}

const nbdBytes = (site: LoneSite) =>
  Object.values(site.sim.counters.nbdBytesByVdi).reduce((sum, bytes) => sum + bytes, 0);

const progressOf = (site: LoneSite) => {
  const [record] = site.objectsUnder('runs/').filter(({ key }) => key.endsWith('/run.json'));
  return JSON.parse(record?.body.toString() ?? '').disks[0].progress;
};

test('the first full reads the blocks that were ever written and no others', async () => {
  const { site, vm, vdi } = await siteWithHoles();
  await using _ = site;
  await site.backUp(vm);
  assert.equal(nbdBytes(site), 2 * MIB + MIB);
  assert.equal(progressOf(site).readsAllBecause, undefined);
  assert.ok((await site.restore({ point: 'latest' })).equals(await site.diskBytes(vdi)));
});

test('a full after a lost chain forgets what is a hole now', async () => {
  const { site, vm, vdi } = await siteWithHoles();
  await using _ = site;
  const before = await site.diskBytes(vdi);
  await site.backUp(vm);
  site.sim.write(vdi, 8 * MIB, randomBytes(100));
  site.sim.crashHost();
  await site.backUp(vm);
  assert.ok((await site.restore({ point: 'latest' })).equals(await site.diskBytes(vdi)));
  assert.notDeepEqual(await site.diskBytes(vdi), before);
});

for (const [what, faults, because] of [
  ['answers 200 and then an error', { exportAnswersTwice: true }, /turned into an error/],
  ['breaks off within the table', { transferCutAfterBytes: 600 }, /broke off|ended after/],
  ['breaks off at once', { transferCutAfterBytes: 0 }, /broke off|ended after/],
] as const) {
  test(`a host whose export ${what} makes the full read everything, with the reason in the record`, async () => {
    const { site, vm, vdi } = await siteWithHoles({ faults });
    await using _ = site;
    await site.backUp(vm);
    assert.equal(nbdBytes(site), 15 * MIB);
    assert.match(progressOf(site).readsAllBecause, because);
    assert.ok((await site.restore({ point: 'latest' })).equals(await site.diskBytes(vdi)));
  });
}

test('a redirect of the export to a host without a pin is not followed: everything is read', async () => {
  const { site, vm } = await siteWithHoles({ supporters: 1 });
  await using _ = site;
  const { PBD, host } = site.sim.world.db;
  for (const pbd of PBD.where((row) => host.get(row.host).address === '127.0.0.1')) {
    PBD.update(pbd, { currently_attached: false });
  }
  const run = await site.prepare(site.request(vm));
  assert.match(progressOf(site).readsAllBecause, /127\.0\.0\.2, which is not among the pool's known hosts/);
  assert.ok(run);
});
