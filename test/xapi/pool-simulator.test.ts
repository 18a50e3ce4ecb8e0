import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '#lib/clock.ts';
import { Secret } from '#lib/secret.ts';
import { parseDiskId, parseVmId } from '#lib/units.ts';
import { startDataDestroy, startEnableCbt, startListChangedBlocks } from '#lib/xapi/cbt.ts';
import { parseFingerprint } from '#lib/xapi/certificate-pin.ts';
import { loginXapi, resumeXapi } from '#lib/xapi/login.ts';
import { readNbdInfo } from '#lib/xapi/nbd-info.ts';
import { hasPurpose, readAllNetworks, readAllPifs } from '#lib/xapi/network.ts';
import { readAllHosts, readPool } from '#lib/xapi/pool.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { readSr, readSrTypesWithCbt } from '#lib/xapi/sr.ts';
import { pollTask, type StartedTask, taskResult, waitForTask } from '#lib/xapi/task.ts';
import { readVbd } from '#lib/xapi/vbd.ts';
import {
  findVdi,
  readAllVdis,
  readVdi,
  setVdiOtherConfig,
  startVdiCreate,
  startVdiDestroy,
  startVdiSnapshot,
} from '#lib/xapi/vdi.ts';
import { findVm, readRealVms, readVm } from '#lib/xapi/vm.ts';
import { nothing } from '#lib/xapi/wire-types.ts';
import { type Simulator, type SimulatorOptions, startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';
import { failureOf } from './fake-host.ts';

/** Sleeps a hundredth of what it is told: the simulator is faster than a host. */
const clock: Clock = {
  now: () => new Date(),
  sleep: (durationMs, signal) => sleep(durationMs / 100, undefined, signal ? { signal } : {}),
};

const DISK_BYTES = 1_048_576;

async function pool(options: SimulatorOptions = {}) {
  const sim = await startSimulator({ timings: FAST_TIMINGS, ...options });
  after(() => sim.stop());
  const vm = await sim.addVm({ name: 'web', tags: ['daily'], disks: [{ sizeBytes: DISK_BYTES }] });
  const [disk = ''] = vm.vdis;
  return { sim, vmId: parseVmId(vm.uuid), diskId: parseDiskId(disk) };
}

const hostOf = (sim: Simulator, url = sim.url) => ({
  url,
  pin: { kind: 'fingerprint' as const, sha256: parseFingerprint(sim.fingerprint) },
});

function logIn(sim: Simulator, url = sim.url): Promise<XapiSession> {
  const credentials = { username: sim.credentials.username, password: new Secret(sim.credentials.password) };
  return loginXapi({ host: hostOf(sim, url), credentials, originator: 'test', clock, redirects: [hostOf(sim)] });
}

async function done<T>(session: XapiSession, start: Promise<StartedTask<T>>): Promise<T> {
  return taskResult(await waitForTask(session, await start, { clock, deadlineMs: 60_000 }), 'The operation');
}

test('a run from login to logout works, and leaves nothing on the host but the base', async () => {
  const { sim, vmId, diskId } = await pool();
  {
    await using session = await logIn(sim);
    const vm = await readVm(session, await findVm(session, vmId));
    const [vbd] = await Promise.all(vm.vbds.map((ref) => readVbd(session, ref)));
    const live = await findVdi(session, diskId);
    assert.deepEqual([vbd?.vdi, vm.tags, vm.powerState], [live, ['daily'], 'Running']);
    await done(session, startEnableCbt(session, live));
    assert.equal((await readVdi(session, live)).cbt, 'enabled');
    const base = await done(session, startVdiSnapshot(session, live));
    sim.write(diskId, 0, Buffer.from('x'));
    sim.write(diskId, 9 * 65_536, Buffer.from('x'));
    const next = await done(session, startVdiSnapshot(session, live));
    const snapshot = await readVdi(session, next);
    assert.deepEqual(
      [snapshot.isSnapshot, snapshot.snapshotOf, snapshot.cbt, snapshot.virtualBytes],
      [true, live, 'enabled', DISK_BYTES],
    );
    const changed = await done(session, startListChangedBlocks(session, { from: base, to: next }));
    assert.deepEqual(changed, Buffer.from([0x80, 0x40]));
    const [address] = await readNbdInfo(session, next);
    assert.equal(address?.exportName.reveal(), `/${snapshot.uuid}?session_id=${session.sessionReference.reveal()}`);
    await done(session, startDataDestroy(session, next));
    assert.equal((await readVdi(session, next)).type, 'cbt_metadata');
    await done(session, startVdiDestroy(session, base));
  }
  const { sessions, tasks, snapshots, cbtMetadata } = sim.counters;
  assert.deepEqual([sessions, tasks, snapshots, cbtMetadata.length], [0, 0, [], 1]);
});

test('comparing after tracking was off is a broken chain with the reaction full', async () => {
  const { sim, diskId } = await pool();
  await using session = await logIn(sim);
  const live = await findVdi(session, diskId);
  await done(session, startEnableCbt(session, live));
  const from = await done(session, startVdiSnapshot(session, live));
  await session.change('VDI.disable_cbt', [live], nothing);
  await done(session, startEnableCbt(session, live));
  const to = await done(session, startVdiSnapshot(session, live));
  const failure = await failureOf(done(session, startListChangedBlocks(session, { from, to })));
  assert.equal(failure.name, 'CbtChainBroken');
});

test('the inventory of a pool is read whole', async () => {
  const { sim, vmId, diskId } = await pool();
  await using session = await logIn(sim);
  const { coordinator } = await readPool(session);
  const host = (await readAllHosts(session)).find(({ ref }) => ref === coordinator);
  assert.equal(host?.address, '127.0.0.1');
  assert.deepEqual(
    (await readRealVms(session)).map((vm) => vm.uuid),
    [vmId],
  );
  const disk = (await readAllVdis(session)).find((vdi) => vdi.uuid === diskId);
  assert.ok(disk);
  const sr = await readSr(session, disk.sr);
  assert.ok((await readSrTypesWithCbt(session)).has(sr.type));
  assert.ok((await readAllNetworks(session)).some((network) => hasPurpose(network, 'nbd')));
  assert.ok((await readAllPifs(session)).some((pif) => pif.ipv4 === '127.0.0.1'));
});

test('a disk is created and marked', async () => {
  const { sim, diskId } = await pool();
  await using session = await logIn(sim);
  const { sr } = await readVdi(session, await findVdi(session, diskId));
  const disk = {
    nameLabel: 'é & <new>',
    nameDescription: '',
    sr,
    virtualBytes: DISK_BYTES,
    tags: [],
    otherConfig: {},
  };
  const created = await done(session, startVdiCreate(session, disk));
  await setVdiOtherConfig(session, created, { key: 'k', value: '1' });
  await setVdiOtherConfig(session, created, { key: 'k', value: '2' });
  const record = await readVdi(session, created);
  assert.deepEqual([record.nameLabel, record.otherConfig['k']], ['é & <new>', '2']);
});

test('a supporter sends us to its coordinator', async () => {
  const { sim } = await pool({ supporters: 1 });
  const [supporter] = sim.supporterUrls;
  await using session = await logIn(sim, supporter);
  assert.equal(session.hostName, '127.0.0.1');
});

test('an expired session is replaced while a password is known, and lost while it is not', async () => {
  const { sim } = await pool();
  await using session = await logIn(sim);
  const stored = session.sessionReference;
  sim.expireSessions();
  await readPool(session);
  await using resumed = resumeXapi({ host: hostOf(sim), session: stored, clock });
  assert.equal((await failureOf(readPool(resumed))).name, 'SessionLost');
});

test('a task that the host has forgotten is ObjectGone', async () => {
  const { sim, diskId } = await pool();
  await using session = await logIn(sim);
  const started = await startVdiSnapshot(session, await findVdi(session, diskId));
  await waitForTask(session, started, { clock, deadlineMs: 60_000 });
  assert.equal((await failureOf(pollTask(session, started))).name, 'ObjectGone');
});
