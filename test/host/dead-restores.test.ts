import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { ExecutionLookupDenied } from '#lib/executions/failures.ts';
import { findDeadRestores } from '#lib/host/dead-restores.ts';
import { sweep } from '#lib/host/sweep.ts';
import { planSweep } from '#lib/host/sweep-plan.ts';
import { finishRestore } from '#lib/restore/finish-restore.ts';
import { planRestore } from '#lib/restore/plan-restore.ts';
import { openRestoredDisk } from '#lib/restore/restored-objects.ts';
import type { RestoreRequest } from '#lib/restore/workflow-ports.ts';
import { writeRange } from '#lib/restore/write-range.ts';
import { parseDiskId } from '#lib/units.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { accessTo, srOf } from '../fakes/host-access.ts';
import { LoneSite } from '../fakes/lone-site.ts';
import { laterPorts, sweepSite } from './dying-site.ts';

const MIB = 1_048_576;

let site: LoneSite;
let access: Awaited<ReturnType<typeof accessTo>>;
let sr: string;

before(async () => {
  site = await LoneSite.start();
  const { uuid } = await site.sim.addVm({ name: 'web', disks: [{ bytes: randomBytes(MIB) }] });
  await site.backUp(uuid);
  access = await accessTo(site.sim);
  sr = await srOf(access);
});
after(async () => {
  await access.session[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
});

/** A restore of the VM whose disk is written and whose next step never came. */
async function begun() {
  const execution = `arn:aws:states:local:0:execution:restore:${randomUUID()}`;
  const input: RestoreRequest = { execution, request: { point: 'latest', sr, as: 'vm', identity: 'new' } };
  const planned = await planRestore(site.ports, input);
  for (const disk of planned.disks) await writeRange(site.ports, disk);
  const disks = planned.disks.map(({ disk }) => ({ disk, comparedBytes: 1 }));
  const [first] = planned.disks;
  assert.ok(first);
  return {
    input,
    first,
    runId: planned.runId,
    finish: () => finishRestore(site.ports, { ...input, ...planned, disks }),
  };
}

/** Names of what restores have made. */
function made(): string[] {
  const { VDI, VM } = site.sim.world.db;
  const named = [...VDI.refs().map((ref) => VDI.get(ref)), ...VM.refs().map((ref) => VM.get(ref))];
  return named.flatMap(({ name_label: name }) => (/restore/.test(name) ? [name] : [])).toSorted();
}

test('what an aborted restore has made is named by the plan, and removed by the sweep', async () => {
  const { runId } = await begun();
  const plan = await planSweep(laterPorts(site));
  assert.deepEqual(
    plan.restores.map(({ id, pool, objects }) => ({ id, pool, count: objects.length })),
    [{ id: runId, pool: 'lab', count: 1 }],
  );
  assert.deepEqual(made(), ['[incomplete restore] web disk 0 (restored)']);
  const { removed, left } = await sweep(laterPorts(site), plan);
  assert.ok(removed.some((what) => what.endsWith(` of restore ${runId}`)));
  assert.deepEqual([left, made()], [[], []]);
});

test('a VM that was imported and never became whole goes, with the disks that were named already', async () => {
  const { finish } = await begun();
  site.sim.faults.calls = [{ method: 'VM.set_name_label', code: 'INTERNAL_ERROR', times: 9 }];
  await assert.rejects(finish(), { name: 'HostInternalError' });
  site.sim.faults.calls = [];
  assert.equal(made().length, 2);
  const { left } = await sweepSite(site);
  assert.deepEqual([left, made()], [[], []]);
});

test('a restore whose execution lives, or was redriven after the plan was made, keeps what it has', async () => {
  const { input, finish } = await begun();
  const alive = new Set([input.execution]);
  const dead = await planSweep(laterPorts(site));
  assert.equal(dead.restores.length, 1);
  assert.deepEqual((await planSweep(laterPorts(site, { alive }))).restores, []);
  await sweep(laterPorts(site, { alive }), dead);
  await finish();
  await sweepSite(site);
  assert.deepEqual(made(), ['web (restored)', 'web disk 0 (restored)'], 'a whole one stays for good');
});

test('an execution that cannot be asked about, one of another installation, and what a command began are not touched', async () => {
  const { first } = await begun();
  const denied = () => Promise.reject(new ExecutionLookupDenied('DescribeExecution was denied'));
  const doubtful = await planSweep({ ...laterPorts(site), executions: { isRunning: denied } });
  assert.ok(doubtful.unexamined.some(({ why }) => why === 'DescribeExecution was denied'));
  const foreign = await findDeadRestores(laterPorts(site), access.session, 'local');
  assert.ok(foreign.spared.some(({ why }) => /begun for a pool named lab/.test(why)));
  const content = await DiskContent.open(site.store, { disk: parseDiskId(first.disk), seq: first.seq });
  await openRestoredDisk(access, content, { id: 'cli-1', sr, nameLabel: 'mine' });
  const own = await planSweep(laterPorts(site));
  assert.ok(own.spared.some(({ what }) => what === 'restore cli-1'));
  assert.deepEqual([doubtful.restores, foreign.dead, own.restores.length], [[], [], 1]);
});
