import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Secret } from '#lib/secret.ts';
import { MIB } from '#lib/units.ts';
import { accessTo, srOf } from '../fakes/host-access.ts';
import { LocalSite } from '../fakes/local-site.ts';

describe('the synthesized restore workflow, run on this machine', () => {
  let site: LocalSite;
  let vm: { uuid: string; vdis: readonly string[] };
  let sr: string;

  before(async () => {
    site = await LocalSite.start({
      otherPools: (good) => [{ ...good, name: 'wrong-password', password: new Secret('not the password') }],
    });
    vm = await site.sim.addVm({
      name: 'web',
      disks: [{ bytes: randomBytes(9 * MIB), sizeBytes: 64 * MIB }, { bytes: randomBytes(3 * MIB) }],
    });
    const access = await accessTo(site.sim);
    sr = await srOf(access);
    await access.session[Symbol.asyncDispose]();
    const execution = await site.backUp({ vm: vm.uuid });
    assert.equal(execution.status, 'SUCCEEDED', `${execution.error}: ${execution.cause}`);
  });
  after(() => site[Symbol.asyncDispose]());

  const onPool = () => {
    const { VDI, VM } = site.sim.world.db;
    return {
      vdis: VDI.refs().length,
      vms: VM.where((row) => !row.is_control_domain).length,
      sessions: site.sim.counters.sessions,
      dom0Vbds: site.sim.counters.dom0Vbds,
    };
  };

  /** A function whose neighbour failed runs to its end, on AWS as well, and logs out then. */
  const idle = async () => {
    for (let look = 0; look < 200 && site.sim.counters.sessions > 0; look++) await delay(100);
  };

  test('a whole VM comes back byte for byte, compared over NBD, halted, and the report says so', async () => {
    const { status, output, error, cause } = await site.restore({ point: 'latest', sr });
    assert.equal(status, 'SUCCEEDED', `${error}: ${cause}`);
    const report = output as {
      restoredVm: { uuid: string; nameLabel: string };
      disks: { disk: string; vdi: string; comparedBytes: number; unverified?: string }[];
    };
    assert.equal(report.restoredVm.nameLabel, 'web (restored)');
    assert.deepEqual(
      report.disks.map(({ disk, comparedBytes, unverified }) => [disk, comparedBytes, unverified]),
      [
        [vm.vdis[0], 9 * MIB, undefined],
        [vm.vdis[1], 3 * MIB, undefined],
      ],
    );
    for (const { disk, vdi } of report.disks) {
      const bytes = site.sim.world.db.VDI.get(site.sim.world.db.VDI.byUuid(disk)).virtual_size;
      assert.ok((await site.sim.read(vdi, 0, bytes)).equals(await site.sim.read(disk, 0, bytes)), disk);
    }
    const { VM } = site.sim.world.db;
    assert.equal(VM.get(VM.byUuid(report.restoredVm.uuid)).power_state, 'Halted');
    assert.deepEqual([site.sim.counters.sessions, site.sim.counters.dom0Vbds], [0, 0]);
  });

  test('one disk alone comes back as a new disk without a VM', async () => {
    const before = onPool();
    const { status, output } = await site.restore({ point: 'latest', sr, as: 'disks', disks: ['1'] });
    assert.equal(status, 'SUCCEEDED');
    assert.equal((output as { restoredVm?: unknown }).restoredVm, undefined);
    assert.deepEqual(onPool(), { ...before, vdis: before.vdis + 1 });
  });

  for (const [what, request, failure] of [
    ['a wrong password', { pool: 'wrong-password' }, 'WrongCredentials'],
    ['a point that does not exist', { point: '19990101T000000Z' }, 'PointNotFound'],
    ['an unknown storage repository', { sr: '00000000-0000-0000-0000-000000000000' }, 'ObjectGone'],
    ['an input that is misspelt', { storage: 'fast' }, 'InvalidInput'],
  ] as const) {
    test(`${what} ends the restore as ${failure} and makes nothing`, async () => {
      const before = onPool();
      const { status, error } = await site.restore({ point: 'latest', sr, ...request });
      assert.deepEqual([status, error, onPool()], ['FAILED', failure, before]);
    });
  }

  test('a host that refuses to go on in the middle ends the restore, and nothing of it stays', async () => {
    const before = onPool();
    const refusal = { method: 'VDI.add_to_other_config', code: 'RBAC_PERMISSION_DENIED', times: 1 };
    site.sim.faults.calls = [refusal];
    const { status, error } = await site.restore({ point: 'latest', sr });
    assert.equal(refusal.times, 0, 'a piece was written before');
    await idle();
    assert.deepEqual([status, error, onPool()], ['FAILED', 'RoleInsufficient', before]);
  });

  test('storage that gives back other bytes than were written is found, and nothing stays', async () => {
    const before = onPool();
    site.sim.faults.nbdFlippedByte = 5 * MIB;
    const { status, error, cause } = await site.restore({ point: 'latest', sr });
    site.sim.faults.nbdFlippedByte = undefined;
    await idle();
    assert.deepEqual([status, error, onPool()], ['FAILED', 'TargetCorrupted', before]);
    assert.match(cause ?? '', /bytes 5\d+-\d+ of the restored disk/);
  });

  test('a pool without NBD is restored to, and the report says that nothing was read back', async () => {
    site.sim.faults.emptyNbdInfo = true;
    const { status, output } = await site.restore({ point: 'latest', sr, as: 'disks', disks: ['1'] });
    site.sim.faults.emptyNbdInfo = false;
    assert.equal(status, 'SUCCEEDED');
    const [disk] = (output as { disks: { comparedBytes: number; unverified?: string }[] }).disks;
    assert.equal(disk?.comparedBytes, 0);
    assert.match(disk?.unverified ?? '', /NBD/);
  });

  test('a damaged pack ends the restore with the ranges of the disk, and nothing stays', async () => {
    const before = onPool();
    for await (const { key } of site.store.list(`site/disks/${vm.vdis[0]}/packs/`)) {
      const body = await site.store.get(key);
      body[1_000_000] = (body[1_000_000] ?? 0) ^ 1;
      await site.store.put(key, body);
    }
    const { status, error, cause } = await site.restore({ point: 'latest', sr });
    await idle();
    assert.deepEqual([status, error, onPool()], ['FAILED', 'DamagedContent', before]);
    assert.match(cause ?? '', /are damaged in the vault: bytes \d+-\d+/);
  });

  test('no state, log line or error text of a restore holds a session reference or a password', () => {
    const written = [
      ...site.executions.map(({ history, input, output, error, cause }) => ({ history, input, output, error, cause })),
      ...site.logs.map(({ line }) => line),
    ].map((item) => JSON.stringify(item));
    for (const text of written) {
      for (const secret of [
        /OpaqueRef:(?!\[secret\])/,
        /session_id/,
        site.sim.credentials.password,
        'not the password',
      ]) {
        assert.ok(text.split(secret).length === 1, `${secret} in ${text.slice(0, 500)}`);
      }
    }
  });
});
