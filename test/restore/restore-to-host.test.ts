import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { z } from 'zod/mini';
import { connectNbd } from '#lib/nbd/connect.ts';
import type { HostAccess } from '#lib/restore/host-transfer.ts';
import { type HostRestore, restoreToHost } from '#lib/restore/restore-to-host.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { readAllVdis } from '#lib/xapi/vdi.ts';
import { startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';
import { accessTo, pinned, srOf } from '../fakes/host-access.ts';
import { hastyClock, LoneSite } from '../fakes/lone-site.ts';
import { MemoryBucket } from '../fakes/memory-store.ts';
import { VaultDisk } from '../fakes/vault-disk.ts';

const GRAIN = 65_536;
const MIB = 1_048_576;

let site: LoneSite;
let access: HostAccess;
let sr: string;

before(async () => {
  site = await LoneSite.start();
  access = await accessTo(site.sim);
  sr = await srOf(access);
});
after(async () => {
  await access.session[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
});

/** 80 MiB with data in most of it, so that one transfer is not enough; `times` as much for more than one piece. */
async function content(bucket = new MemoryBucket(), times = 1) {
  const grains = 1280 * times;
  const disk = new VaultDisk(bucket.store(), grains * GRAIN);
  const image = Buffer.alloc(grains * GRAIN);
  const changes = new Map<number, Buffer>();
  for (let grain = 0; grain < grains; grain++) {
    if (grain % 64 === 5) continue;
    const bytes = randomBytes(GRAIN);
    bytes.copy(image, grain * GRAIN);
    changes.set(grain, bytes);
  }
  const seq = await disk.addPoint(changes);
  return { image, disk: await DiskContent.open(bucket.store(), { disk: disk.disk, seq }) };
}

function request(disk: DiskContent): HostRestore {
  const id = randomBytes(8).toString('hex');
  return { id, sr, disks: [{ content: disk, nameLabel: 'web-1 root, restored' }] };
}

async function namesOnHost(): Promise<string[]> {
  const names = (await readAllVdis(access.session)).map(({ nameLabel }) => nameLabel);
  return names.filter((name) => name.includes('restore'));
}

async function destroy(vdi: string): Promise<void> {
  const ref = await access.session.read('VDI.get_by_uuid', [vdi], z.string());
  await access.session.change('VDI.destroy', [ref], z.unknown());
}

/** A clock whose long pauses do something. */
const pausing = (onPause: () => void): HostAccess['clock'] => ({
  ...hastyClock,
  sleep: (durationMs, signal) => {
    if (durationMs > 2_000) onPause();
    return hastyClock.sleep(durationMs, signal);
  },
});

test('a disk restored to a host has the content, the size and the name that were asked for', async () => {
  const { image, disk } = await content();
  const { vdis } = await restoreToHost(access, request(disk));
  const vdi = vdis[0] ?? '';
  assert.ok((await site.diskBytes(vdi)).equals(image));
  assert.deepEqual(await namesOnHost(), ['web-1 root, restored']);
  const config = await access.session.read(
    'VDI.get_other_config',
    [await access.session.read('VDI.get_by_uuid', [vdi], z.string())],
    z.record(z.string(), z.string()),
  );
  assert.ok(!('blockferry:incomplete' in config), 'nothing says that it is incomplete');
  assert.equal(site.sim.counters.dom0Vbds, 0);
  await destroy(vdi);
});

test('a transfer that is cut is repeated', async () => {
  const { image, disk } = await content();
  site.sim.faults.transferCutAfterBytes = 30 * MIB;
  let cuts = 0;
  const clock = pausing(() => {
    cuts++;
    site.sim.faults.transferCutAfterBytes = undefined;
  });
  const { vdis } = await restoreToHost({ ...access, clock }, request(disk));
  assert.equal(cuts, 1);
  assert.ok((await site.diskBytes(vdis[0] ?? '')).equals(image));
  await destroy(vdis[0] ?? '');
});

test('when the host keeps failing, the disk is destroyed again and the first failure is told', async () => {
  const { disk } = await content();
  site.sim.faults.transferCutAfterBytes = 10 * MIB;
  await assert.rejects(restoreToHost(access, request(disk)), { name: 'DiskIoFailed' });
  site.sim.faults.transferCutAfterBytes = undefined;
  assert.deepEqual(await namesOnHost(), []);
});

test('damage in the vault leaves no disk on the host', async () => {
  const bucket = new MemoryBucket();
  const { disk } = await content(bucket);
  const [key] = bucket.objects.keys('disks/').filter((name) => name.endsWith('.zst'));
  const body = bucket.objects.current(key ?? '')?.body;
  assert.ok(body);
  body[1000] = (body[1000] ?? 0) ^ 1;
  await assert.rejects(restoreToHost(access, request(disk)), { name: 'DamagedContent' });
  assert.deepEqual(await namesOnHost(), []);
});

test('storage that answers with other bytes than were written is found by reading back, and no disk stays', async () => {
  const { disk } = await content();
  const over = { pool: site.pool, connect: connectNbd } as const;
  const good = await restoreToHost(access, { ...request(disk), readBack: over });
  assert.equal(good.comparedBytes, disk.dataBytes);
  await destroy(good.vdis[0] ?? '');
  site.sim.faults.nbdFlippedByte = 7 * MIB;
  const bad = restoreToHost(access, { ...request(disk), readBack: over });
  await assert.rejects(bad, { name: 'TargetCorrupted', message: /bytes 7\d+-/ });
  site.sim.faults.nbdFlippedByte = undefined;
  assert.deepEqual(await namesOnHost(), []);
});

test('a restore whose process died is gone on with behind what is in place', async () => {
  const { image, disk } = await content(new MemoryBucket(), 5);
  // Neither the failure nor the clean-up reaches the host: that is how a killed process looks from there.
  const died = new Error('died');
  let written = 0;
  const dying: HostAccess['session'] = new Proxy(access.session, {
    get(session, key) {
      if (written > 1) throw died;
      const value: unknown = Reflect.get(session, key, session);
      if (key !== 'change' || typeof value !== 'function')
        return typeof value === 'function' ? value.bind(session) : value;
      return (method: string, ...others: unknown[]) => {
        if (method === 'VDI.add_to_other_config') written++;
        return value.call(session, method, ...others);
      };
    },
  });
  await assert.rejects(restoreToHost({ ...access, session: dying }, request(disk)));
  const [left] = await namesOnHost();
  assert.equal(left, '[incomplete restore] web-1 root, restored');
  const { vdis, writtenBytes, doneBytes } = await restoreToHost(access, request(disk));
  assert.ok(writtenBytes < doneBytes && doneBytes === disk.dataBytes, `${writtenBytes} of ${doneBytes}`);
  assert.ok((await site.diskBytes(vdis[0] ?? '')).equals(image));
  assert.deepEqual(await namesOnHost(), ['web-1 root, restored']);
  await destroy(vdis[0] ?? '');
});

test('a transfer follows to another host of the pool if its certificate is known, and to no other', async () => {
  await using sim = await startSimulator({ timings: FAST_TIMINGS, supporters: 1 });
  const pool = await accessTo(sim);
  const [pbd] = await pool.session.read('PBD.get_all', [], z.array(z.string()));
  await pool.session.change('PBD.unplug', [pbd ?? ''], z.unknown());
  const { image, disk } = await content();
  const there = { ...request(disk), sr: await srOf(pool) };
  await assert.rejects(restoreToHost(pool, there), { name: 'UnexpectedReply', message: /127\.0\.0\.2.*certificate/ });
  assert.equal((await readAllVdis(pool.session)).length, 0);
  const otherHosts = sim.supporterUrls.map((url) => pinned(sim, url));
  const { vdis } = await restoreToHost({ ...pool, otherHosts }, there);
  assert.ok((await sim.read(vdis[0] ?? '', 0, image.length)).equals(image));
  await pool.session[Symbol.asyncDispose]();
});
