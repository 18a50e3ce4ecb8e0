/** What a whole run makes of each error of the host: the reactions of the error table, seen from outside. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { commitPoint } from '#lib/backup/commit-point.ts';
import { Failure } from '#lib/failure.ts';
import { findPoint } from '#lib/restore/points.ts';
import { LoneSite } from '../fakes/lone-site.ts';

const GRAIN = 65_536;

/** `again`: the step is tried again and the run is incremental. The others end as they say. */
type Outcome = 'again' | 'full' | 'without-the-disk' | { readonly fails: string };

const REACTIONS: readonly (readonly [method: string, outcome: Outcome, ...codes: string[]])[] = [
  [
    'VDI.snapshot',
    'again',
    'OTHER_OPERATION_IN_PROGRESS',
    'HOST_OFFLINE',
    'CANNOT_CONTACT_HOST',
    'SR_BACKEND_FAILURE_46',
    'SR_BACKEND_FAILURE_47',
    'SR_BACKEND_FAILURE_65',
    'VDI_IO_ERROR',
    'INTERNAL_ERROR',
  ],
  ['VM.get_record', 'again', 'HOST_STILL_BOOTING', 'HOST_IN_EMERGENCY_MODE'],
  ['VDI.list_changed_blocks', 'again', 'VDI_IN_USE', 'OTHER_OPERATION_IN_PROGRESS'],
  ['VDI.get_nbd_info', 'again', 'HOST_OFFLINE', 'CANNOT_CONTACT_HOST'],
  ['VDI.data_destroy', 'again', 'VDI_IN_USE', 'OTHER_OPERATION_IN_PROGRESS', 'VDI_NO_CBT_METADATA'],
  ['VDI.destroy', 'again', 'VDI_IN_USE', 'OTHER_OPERATION_IN_PROGRESS'],
  [
    'VDI.list_changed_blocks',
    'full',
    'SR_BACKEND_FAILURE_459',
    'SR_BACKEND_FAILURE_460',
    'VDI_NO_CBT_METADATA',
    'INTERNAL_ERROR',
    'HANDLE_INVALID',
    'SR_OPERATION_NOT_SUPPORTED',
    'UNIMPLEMENTED_IN_SM_BACKEND',
    'LICENCE_RESTRICTION',
  ],
  [
    'VDI.snapshot',
    'without-the-disk',
    'VDI_IS_SHARABLE',
    'VDI_IS_A_PHYSICAL_DEVICE',
    'VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION',
    'VDI_INCOMPATIBLE_TYPE',
    'SR_BACKEND_FAILURE_66',
  ],
  ['VDI.snapshot', { fails: 'SrFull' }, 'SR_FULL', 'SR_BACKEND_FAILURE_44', 'SR_SOURCE_SPACE_INSUFFICIENT'],
  ['VDI.snapshot', { fails: 'ChainTooLong' }, 'SR_BACKEND_FAILURE_109'],
  ['VDI.snapshot', { fails: 'UpgradeInProgress' }, 'NOT_SUPPORTED_DURING_UPGRADE'],
  ['VDI.list_changed_blocks', { fails: 'UpgradeInProgress' }, 'NOT_SUPPORTED_DURING_UPGRADE'],
  ['VDI.snapshot', { fails: 'StorageDetached' }, 'SR_NO_PBDS', 'SR_NOT_ATTACHED'],
  ['VDI.snapshot', { fails: 'DiskMissing' }, 'VDI_MISSING', 'VDI_NOT_MANAGED'],
  ['VDI.snapshot', { fails: 'RoleInsufficient' }, 'RBAC_PERMISSION_DENIED'],
  ['VDI.snapshot', { fails: 'OperationNotAllowed' }, 'OPERATION_NOT_ALLOWED'],
  ['VDI.snapshot', { fails: 'TaskCancelled' }, 'TASK_CANCELLED'],
  ['VDI.snapshot', { fails: 'CallUnsupported' }, 'MESSAGE_METHOD_UNKNOWN', 'MESSAGE_PARAMETER_COUNT_MISMATCH'],
];

let site: LoneSite;
let vm = '';
let vdis: readonly string[] = [];

before(async () => {
  site = await LoneSite.start();
  const disks = [{ bytes: randomBytes(2 * GRAIN) }, { bytes: randomBytes(2 * GRAIN) }];
  ({ uuid: vm, vdis } = await site.sim.addVm({ name: 'web', disks }));
});
after(() => site[Symbol.asyncDispose]());

/** A run whose steps are tried again after failures that may pass, as the workflow does. */
async function runOnce(): Promise<Failure | undefined> {
  const input = site.request(vm);
  try {
    const run = await patiently(() => site.prepare(input));
    await site.readShards(run);
    await commitPoint(site.ports, run);
    return undefined;
  } catch (failure) {
    if (failure instanceof Failure) return failure;
    throw failure;
  } finally {
    await patiently(() => site.release(input));
  }
}

async function patiently<T>(step: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await step();
    } catch (failure) {
      if (!(failure instanceof Failure && failure.transient) || attempt === 3) throw failure;
    }
  }
}

async function assertHostClean(): Promise<void> {
  const { snapshots, cbtMetadata, sessions, dom0Vbds } = site.sim.counters;
  assert.deepEqual({ snapshots, sessions, dom0Vbds }, { snapshots: [], sessions: 0, dom0Vbds: 0 });
  assert.ok(cbtMetadata.length <= 2, `${cbtMetadata.length} bases`);
}

for (const [method, outcome, ...codes] of REACTIONS) {
  for (const code of codes) {
    const wanted = typeof outcome === 'string' ? outcome : `the run fails with ${outcome.fails}`;
    test(`${code} of ${method}: ${wanted}, and the host is clean`, async () => {
      // Only what happened before can have taken a base away; every other run left one for each disk.
      if (site.sim.counters.cbtMetadata.length < 2) assert.equal(await runOnce(), undefined, 'the run before');
      site.sim.write(vdis[0] ?? '', 0, randomBytes(10));
      const fault = { method, code, times: 1 };
      site.sim.faults.calls.push(fault);
      const failure = await runOnce();
      assert.equal(fault.times, 0, 'the fault struck');
      site.sim.faults.calls.length = 0;
      await assertHostClean();
      if (typeof outcome !== 'string') return assert.equal(failure?.name, outcome.fails);
      assert.equal(failure, undefined, failure?.message);
      const { disks } = (await findPoint(site.store, { point: 'latest' })).point;
      const kinds = disks.map(({ kind }) => kind);
      const expected = {
        again: ['incremental', 'incremental'],
        full: ['full', 'incremental'],
        'without-the-disk': ['incremental'],
      };
      assert.deepEqual(kinds, expected[outcome]);
    });
  }
}
