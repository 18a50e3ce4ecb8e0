import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { commitPoint } from '#lib/backup/commit-point.ts';
import { findPoint, listPoints } from '#lib/restore/points.ts';
import { LoneSite } from '../fakes/lone-site.ts';

const GRAIN = 65_536;

function hostChecksOf(site: LoneSite, run: string): unknown[] {
  const receipts = site.objectsUnder(`runs/${run}/receipts/`).map(({ body }) => JSON.parse(body.toString()));
  return receipts.map(({ measured }) => measured.hostCheck);
}

test('a run records in its receipts and in its point that the host showed the certificate its API names', async () => {
  await using site = await LoneSite.start();
  const disks = [{ bytes: randomBytes(GRAIN) }, { bytes: randomBytes(GRAIN) }];
  const vm = await site.sim.addVm({ name: 'web', disks });
  const input = site.request(vm.uuid);
  const run = await site.prepare(input);
  await site.readShards(run);
  assert.deepEqual(hostChecksOf(site, run), ['certificate', 'certificate']);
  await commitPoint(site.ports, run);
  await site.release(input);
  assert.deepEqual((await findPoint(site.store, { point: 'latest' })).point.measured.hostChecks, ['certificate']);
});

for (const [state, what, proof] of [
  ['renewed', 'another certificate with the key of the one its API names', 'public-key'],
  ['issued', 'a certificate for its subject that the authority its API names has issued', 'authority'],
] as const) {
  test(`a run whose host shows ${what} records the proof "${proof}"`, async () => {
    await using site = await LoneSite.start({ faults: { nbdCertificate: state } });
    const vm = await site.sim.addVm({ name: 'web', disks: [{ bytes: randomBytes(GRAIN) }] });
    const { runId } = await site.backUp(vm.uuid);
    assert.deepEqual(hostChecksOf(site, runId), [proof]);
    assert.deepEqual((await findPoint(site.store, { point: 'latest' })).point.measured.hostChecks, [proof]);
    assert.ok((await site.restore({ point: 'latest' })).equals(await site.diskBytes(vm.vdis[0] ?? '')));
  });
}

test('a run whose host shows a certificate with another key reads nothing, makes no point and leaves the host clean', async () => {
  await using site = await LoneSite.start({ faults: { nbdCertificate: 'replaced' } });
  const vm = await site.sim.addVm({ name: 'web', disks: [{ bytes: randomBytes(GRAIN) }] });
  await assert.rejects(site.backUp(vm.uuid), { name: 'NbdCertificateMismatch' });
  const { nbdReadRequests, sessions, snapshots } = site.sim.counters;
  assert.deepEqual([nbdReadRequests, sessions, snapshots], [0, 0, []]);
  assert.deepEqual(await listPoints(site.store), []);
});

test('a run over a network of purpose insecure_nbd records that the host proved nothing', async () => {
  await using site = await LoneSite.start({ networks: [{ name: 'lab', purposes: ['insecure_nbd'] }] });
  const vm = await site.sim.addVm({ name: 'web', disks: [{ bytes: randomBytes(GRAIN) }] });
  site.nbd = 'insecure';
  await site.backUp(vm.uuid);
  assert.deepEqual((await findPoint(site.store, { point: 'latest' })).point.measured.hostChecks, ['none']);
});
