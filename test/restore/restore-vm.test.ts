import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { z } from 'zod/mini';
import type { HostAccess } from '#lib/restore/host-transfer.ts';
import { examinePool, readVmArchive, type VmImport } from '#lib/restore/import-vm.ts';
import { findPoint, type NamedPoint } from '#lib/restore/points.ts';
import { type HostRestore, restoreToHost } from '#lib/restore/restore-to-host.ts';
import { VmDocument } from '#lib/restore/vm-document.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { readAllVdis } from '#lib/xapi/vdi.ts';
import { readRealVms } from '#lib/xapi/vm.ts';
import { type Simulator, startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';
import { accessTo, srOf } from '../fakes/host-access.ts';
import { LoneSite } from '../fakes/lone-site.ts';

const MIB = 1_048_576;

/** The site that was backed up, and a new one that knows nothing of it. */
let site: LoneSite;
let newSite: Simulator;
let old: HostAccess;
let fresh: HostAccess;
let vm: { readonly uuid: string; readonly vdis: readonly string[] };
let point: NamedPoint;

before(async () => {
  site = await LoneSite.start();
  newSite = await startSimulator({ timings: FAST_TIMINGS, networks: [{ name: 'Other LAN', purposes: ['nbd'] }] });
  vm = await site.sim.addVm({
    name: 'web & shop',
    tags: ['gold'],
    cdDrive: true,
    disks: [{ bytes: randomBytes(3 * MIB), name: 'root' }, { sizeBytes: 2 * MIB }, { bytes: randomBytes(2 * MIB) }],
  });
  // The third disk is not backed up, and the living VM goes on writing to it.
  await site.backUp(vm.uuid, { excludeDisks: [vm.vdis[2] ?? ''] });
  point = await findPoint(site.store, { point: 'latest' });
  old = await accessTo(site.sim);
  fresh = await accessTo(newSite);
});
after(async () => {
  await old.session[Symbol.asyncDispose]();
  await fresh.session[Symbol.asyncDispose]();
  await newSite.stop();
  await site[Symbol.asyncDispose]();
});

async function request(access: HostAccess, changes: Partial<VmImport> = {}): Promise<HostRestore> {
  const archive = await readVmArchive(site.store, point);
  const disks = point.point.disks.map(async (disk) => ({
    content: await DiskContent.open(site.store, disk),
    nameLabel: disk.name,
  }));
  return {
    id: randomBytes(8).toString('hex'),
    sr: await srOf(access),
    disks: await Promise.all(disks),
    vm: { point, nameLabel: 'web & shop (restored)', identity: 'new', ...changes, archive },
  };
}

const remarks = async (access: HostAccess, changes: Partial<VmImport> = {}) => {
  const { vm: asked, disks } = await request(access, changes);
  assert.ok(asked);
  return await examinePool(access.session, asked.archive, {
    vm: asked,
    disks: disks.map(({ content }) => content.disk),
  });
};

const vbdsOf = z.record(
  z.string(),
  z.object({ VM: z.string(), VDI: z.string(), userdevice: z.string(), bootable: z.boolean(), empty: z.boolean() }),
);
const macsOf = z.record(z.string(), z.object({ VM: z.string(), MAC: z.string(), network: z.string() }));

/** The devices of a VM of the pool, by the pool's own records. */
async function devices({ session }: HostAccess, uuid: string) {
  const ref = await session.read('VM.get_by_uuid', [uuid], z.string());
  const mine = <T extends { VM: string }>(records: Record<string, T>) =>
    Object.values(records).filter((record) => record.VM === ref);
  const vdis = new Map((await readAllVdis(session)).map((vdi) => [String(vdi.ref), vdi]));
  const vbds = mine(await session.read('VBD.get_all_records', [], vbdsOf)).map((vbd) => ({
    ...vbd,
    disk: vdis.get(vbd.VDI)?.uuid,
  }));
  const vifs = mine(await session.read('VIF.get_all_records', [], macsOf));
  return { vbds, macs: vifs.map(({ MAC }) => MAC), networks: vifs.map(({ network }) => network) };
}

const vmNames = async ({ session }: HostAccess) =>
  (await readRealVms(session)).map(({ nameLabel }) => nameLabel).sort();

/** As if nobody had restored anything. */
async function forget({ session }: HostAccess, restored: { vm?: { uuid: string }; vdis: readonly string[] }) {
  await session.change(
    'VM.destroy',
    [await session.read('VM.get_by_uuid', [restored.vm?.uuid ?? ''], z.string())],
    z.unknown(),
  );
  for (const vdi of restored.vdis) {
    await session.change('VDI.destroy', [await session.read('VDI.get_by_uuid', [vdi], z.string())], z.unknown());
  }
}

test('a point keeps the metadata of its VM as the host exported it', async () => {
  const archive = await readVmArchive(site.store, point);
  const described = VmDocument.read(archive, point.point.vm).describe(point.point.disks.map(({ disk }) => disk));
  assert.deepEqual([described.uuid, described.nameLabel], [vm.uuid, 'web & shop']);
});

test('a whole VM comes back on another pool with its disks in their places, halted, and under a new identity', async () => {
  const restored = await restoreToHost(fresh, await request(fresh));
  assert.equal(restored.vm?.nameLabel, 'web & shop (restored)');
  assert.notEqual(restored.vm?.uuid, vm.uuid);
  const [made] = (await readRealVms(fresh.session)).filter(({ uuid }) => uuid === restored.vm?.uuid);
  assert.deepEqual([made?.powerState, made?.tags], ['Halted', ['gold']]);
  assert.ok(!Object.keys(made?.otherConfig ?? {}).includes('blockferry:incomplete'));
  const { vbds, macs } = await devices(fresh, restored.vm?.uuid ?? '');
  const [root, second, cd] = vbds.toSorted((a, b) => Number(a.userdevice) - Number(b.userdevice));
  assert.deepEqual([root?.disk, root?.bootable, second?.disk], [restored.vdis[0], true, restored.vdis[1]]);
  assert.deepEqual([vbds.length, cd?.empty], [3, true]);
  const [oldMac] = (await devices(old, vm.uuid)).macs;
  assert.equal(macs.length, 1);
  assert.notEqual(macs[0], oldMac);
  for (const [i, vdi] of restored.vdis.entries()) {
    const source = await site.diskBytes(vm.vdis[i] ?? '');
    assert.ok((await newSite.read(vdi, 0, source.length)).equals(source), `disk ${i}`);
  }
  await forget(fresh, restored);
});

test('with its identity kept the VM has the uuid and the MAC addresses it had', async () => {
  const restored = await restoreToHost(fresh, await request(fresh, { identity: 'kept' }));
  assert.equal(restored.vm?.uuid, vm.uuid);
  assert.deepEqual((await devices(fresh, vm.uuid)).macs, (await devices(old, vm.uuid)).macs);
  await forget(fresh, restored);
});

test('on the pool of the living VM the restored one shares no disk with it, and its identity cannot be taken', async () => {
  await assert.rejects(remarks(old, { identity: 'kept' }), { name: 'VmStillThere', message: /web & shop/ });
  const before = await devices(old, vm.uuid);
  const restored = await restoreToHost(old, await request(old));
  const { vbds } = await devices(old, restored.vm?.uuid ?? '');
  const used = vbds.flatMap(({ disk }) => (disk === undefined ? [] : [String(disk)]));
  assert.deepEqual(used.toSorted(), [...restored.vdis].toSorted());
  assert.ok(!used.some((disk) => vm.vdis.includes(disk)));
  assert.deepEqual(await devices(old, vm.uuid), before);
  await forget(old, restored);
});

test('what the new pool lacks and what the point does not hold is said before anything is made', async () => {
  const said = await remarks(fresh);
  assert.ok(
    said.some((remark) => /^storage .* does not exist on this pool/.test(remark)),
    said.join('\n'),
  );
  assert.ok(
    said.some((remark) => /network Pool-wide network .* Other LAN, on the same bridge/.test(remark)),
    said.join('\n'),
  );
  assert.ok(
    said.some((remark) => /disk 2 \(web & shop disk 2\) is not part/.test(remark)),
    said.join('\n'),
  );
  assert.deepEqual(
    (await remarks(old)).filter((remark) => /network|storage/.test(remark)),
    [],
  );
});

test('when the import of the metadata fails, neither the VM nor its disks stay on the host', async () => {
  const asked = await request(fresh);
  const broken = asked.vm && { ...asked, vm: { ...asked.vm, archive: withoutDisk(asked.vm.archive) } };
  assert.ok(broken);
  const before = { vms: await vmNames(fresh), vdis: (await readAllVdis(fresh.session)).length };
  await assert.rejects(restoreToHost(fresh, broken), { name: 'VmImportedWrongly', message: /1 disks.*2 were meant/ });
  assert.deepEqual({ vms: await vmNames(fresh), vdis: (await readAllVdis(fresh.session)).length }, before);
});

test('while the import is under way the VM is named as incomplete', async () => {
  const seen: string[] = [];
  const watching: HostAccess['session'] = new Proxy(fresh.session, {
    get(session, key) {
      const value: unknown = Reflect.get(session, key, session);
      if (typeof value !== 'function') return value;
      return async (...args: unknown[]) => {
        if (args[0] === 'VM.set_name_label') seen.push(...(await vmNames(fresh)));
        return value.apply(session, args);
      };
    },
  });
  const restored = await restoreToHost({ ...fresh, session: watching }, await request(fresh));
  assert.deepEqual(seen, ['[incomplete restore] web & shop (restored)']);
  await forget(fresh, restored);
});

/** An archive that does not know the second disk: a host makes the VM without it. */
function withoutDisk(archive: Buffer): Buffer {
  return Buffer.from(archive.toString('latin1').replaceAll(vm.vdis[1] ?? '', randomUUID()), 'latin1');
}
