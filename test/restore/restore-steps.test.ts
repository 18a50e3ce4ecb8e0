import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { finishRestore } from '#lib/restore/finish-restore.ts';
import { planRestore } from '#lib/restore/plan-restore.ts';
import { releaseRestore } from '#lib/restore/release-restore.ts';
import { verifyRange } from '#lib/restore/verify-range.ts';
import type { RestoreInput, RestoreRequest } from '#lib/restore/workflow-ports.ts';
import { writeRange } from '#lib/restore/write-range.ts';
import { accessTo, srOf } from '../fakes/host-access.ts';
import { LoneSite } from '../fakes/lone-site.ts';

const MIB = 1_048_576;

let site: LoneSite;
let sr: string;
let source: string;

before(async () => {
  site = await LoneSite.start();
  const { uuid, vdis } = await site.sim.addVm({ name: 'web', disks: [{ bytes: randomBytes(2 * MIB) }] });
  source = vdis[0] ?? '';
  await site.backUp(uuid);
  const access = await accessTo(site.sim);
  sr = await srOf(access);
  await access.session[Symbol.asyncDispose]();
});
after(() => site[Symbol.asyncDispose]());

function request(changes: Partial<RestoreInput> = {}): RestoreRequest {
  return { execution: randomUUID(), request: { point: 'latest', sr, as: 'vm', identity: 'new', ...changes } };
}

async function plan(input: RestoreRequest) {
  const planned = await planRestore(site.ports, input);
  const [disk] = planned.disks;
  assert.ok(disk);
  return { ...planned, disk };
}

type Planned = Awaited<ReturnType<typeof plan>>;

const finish = (input: RestoreRequest, { vm, point, remarks, disk }: Planned) =>
  finishRestore(site.ports, { ...input, vm, point, remarks, disks: [{ disk: disk.disk, comparedBytes: 1 }] });

/** Names of what restores have made. */
function made(): string[] {
  const { VDI, VM } = site.sim.world.db;
  const named = [...VDI.refs().map((ref) => VDI.get(ref)), ...VM.refs().map((ref) => VM.get(ref))];
  return named.flatMap(({ name_label: name }) => (/restore/.test(name) ? [name] : [])).toSorted();
}

test('every step can run twice, and the second run makes nothing more', async () => {
  const input = request();
  await plan(input);
  const planned = await plan(input);
  assert.deepEqual(made(), ['[incomplete restore] web disk 0 (restored)']);
  assert.equal((await writeRange(site.ports, planned.disk)).done, true);
  assert.equal((await writeRange(site.ports, planned.disk)).doneBytes, 2 * MIB);
  assert.equal((await verifyRange(site.ports, planned.disk)).comparedBytes, 2 * MIB);
  const first = await finish(input, planned);
  assert.deepEqual(await finish(input, planned), first);
  assert.deepEqual(made(), ['web (restored)', 'web disk 0 (restored)']);
  assert.deepEqual(await releaseRestore(site.ports, input), { runId: planned.runId, removed: 0 });
  assert.deepEqual(made(), ['web (restored)', 'web disk 0 (restored)']);
  const restored = await site.diskBytes(first.disks[0]?.vdi ?? '');
  assert.ok(restored.equals(await site.diskBytes(source)));
});

test('a step without time for another piece stops between two pieces and says so', async () => {
  const input = request({ as: 'disks' });
  const { disk } = await plan(input);
  const noTime = { ...site.ports, deadline: new Date() };
  // The first piece is always written: every call takes the restore further.
  assert.equal((await writeRange(noTime, disk)).done, true);
  assert.equal((await verifyRange(noTime, disk)).done, true);
  assert.equal((await releaseRestore(site.ports, input)).removed, 1);
});

test('a restore that failed anywhere leaves neither disk nor VM behind, and that of another restore stays', async () => {
  const before = made();
  const input = request();
  const planned = await plan(input);
  await writeRange(site.ports, planned.disk);
  site.sim.faults.calls = [{ method: 'VM.set_name_label', code: 'INTERNAL_ERROR', times: 9 }];
  await assert.rejects(finish(input, planned), { name: 'HostInternalError' });
  site.sim.faults.calls = [];
  assert.ok(
    made().some((name) => name.startsWith('[incomplete restore] web')),
    'the VM does not look whole',
  );
  await releaseRestore(site.ports, input);
  assert.deepEqual(made(), before);
});

test('a disk that is not whole is never made into a VM', async () => {
  const input = request();
  const planned = await plan(input);
  await assert.rejects(finish(input, planned), { name: 'RestoredDiskMissing', message: /not in place as a whole/ });
  assert.equal((await releaseRestore(site.ports, input)).removed, 1);
  await assert.rejects(writeRange(site.ports, planned.disk), { name: 'RestoredDiskMissing' });
});

test('after a host that crashed in the middle the next call goes on', async () => {
  const input = request({ as: 'disks' });
  const { disk } = await plan(input);
  site.sim.faults.transferCutAfterBytes = MIB;
  await assert.rejects(writeRange(site.ports, disk), { name: 'DiskIoFailed' });
  site.sim.crashHost();
  site.sim.faults.transferCutAfterBytes = undefined;
  assert.equal((await writeRange(site.ports, disk)).done, true);
  assert.equal((await verifyRange(site.ports, disk)).comparedBytes, 2 * MIB);
  await releaseRestore(site.ports, input);
  assert.equal(site.sim.counters.sessions, 0);
});
