import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { z } from 'zod/mini';
import type { HostAccess } from '#lib/restore/host-disk.ts';
import { restoreToHost } from '#lib/restore/restore-to-host.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { loginXapi } from '#lib/xapi/login.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { readAllVdis } from '#lib/xapi/vdi.ts';
import { hastyClock, LoneSite } from '../fakes/lone-site.ts';
import { MemoryBucket } from '../fakes/memory-store.ts';
import { VaultDisk } from '../fakes/vault-disk.ts';

const GRAIN = 65_536;

let site: LoneSite;
let session: XapiSession;
let access: HostAccess;
let sr: string;

before(async () => {
  site = await LoneSite.start();
  const { host, credentials } = site.pool;
  const secrets = await credentials({ signal: new AbortController().signal });
  session = await loginXapi({ host, credentials: secrets, originator: 'test', clock: hastyClock });
  access = { session, host, clock: hastyClock };
  const vm = await site.sim.addVm({ name: 'other', disks: [{ sizeBytes: GRAIN }] });
  const disk = (await readAllVdis(session)).find(({ uuid }) => uuid === vm.vdis[0]);
  sr = await session.read('SR.get_uuid', [disk?.sr ?? ''], z.string());
});
after(async () => {
  await session[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
});

/** 80 MiB with data in most of it, so that one transfer is not enough. */
async function content(bucket = new MemoryBucket()) {
  const disk = new VaultDisk(bucket.store(), 1280 * GRAIN);
  const image = Buffer.alloc(1280 * GRAIN);
  const changes = new Map<number, Buffer>();
  for (let grain = 0; grain < 1280; grain++) {
    if (grain % 64 === 5) continue;
    const bytes = randomBytes(GRAIN);
    bytes.copy(image, grain * GRAIN);
    changes.set(grain, bytes);
  }
  const seq = await disk.addPoint(changes);
  return { image, disk: await DiskContent.open(bucket.store(), { disk: disk.disk, seq }) };
}

const newDisk = () => ({ sr, nameLabel: 'web-1 root, restored' });

async function namesOnHost(): Promise<string[]> {
  return (await readAllVdis(session)).map(({ nameLabel }) => nameLabel).filter((name) => name.includes('restored'));
}

test('a disk restored to a host has the content, the size and the name that were asked for', async () => {
  const { image, disk } = await content();
  const restored = await restoreToHost(disk, { access, disk: newDisk() });
  assert.ok((await site.diskBytes(restored.vdi)).equals(image));
  assert.deepEqual(await namesOnHost(), ['web-1 root, restored']);
  assert.equal(site.sim.counters.dom0Vbds, 0);
  await session.change('VDI.destroy', [await session.read('VDI.get_by_uuid', [restored.vdi], z.string())], z.unknown());
});

test('a transfer that is cut is repeated', async () => {
  const { image, disk } = await content();
  site.sim.faults.transferCutAfterBytes = 30 * 1_048_576;
  let cuts = 0;
  const clock: HostAccess['clock'] = {
    ...hastyClock,
    sleep: (durationMs, signal) => {
      if (durationMs > 2_000) {
        cuts++;
        site.sim.faults.transferCutAfterBytes = undefined;
      }
      return hastyClock.sleep(durationMs, signal);
    },
  };
  const restored = await restoreToHost(disk, { access: { ...access, clock }, disk: newDisk() });
  assert.equal(cuts, 1);
  assert.ok((await site.diskBytes(restored.vdi)).equals(image));
});

test('when the host keeps failing, the disk is destroyed again and the first failure is told', async () => {
  const before = await namesOnHost();
  const { disk } = await content();
  site.sim.faults.transferCutAfterBytes = 10 * 1_048_576;
  await assert.rejects(restoreToHost(disk, { access, disk: newDisk() }), { name: 'DiskIoFailed' });
  site.sim.faults.transferCutAfterBytes = undefined;
  assert.deepEqual(await namesOnHost(), before);
});

test('damage in the vault leaves no disk on the host', async () => {
  const before = await namesOnHost();
  const bucket = new MemoryBucket();
  const { disk } = await content(bucket);
  const [key] = bucket.objects.keys('disks/').filter((name) => name.endsWith('.zst'));
  const body = bucket.objects.current(key ?? '')?.body;
  assert.ok(body);
  body[1000] = (body[1000] ?? 0) ^ 1;
  await assert.rejects(restoreToHost(disk, { access, disk: newDisk() }), { name: 'DamagedContent' });
  assert.deepEqual(await namesOnHost(), before);
});
