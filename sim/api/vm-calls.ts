/** Virtual machines: snapshots, power, removal. */

import { randomUUID } from 'node:crypto';
import type { Ref } from '#sim/database/database.ts';
import { NULL_REF, type Value, VOID } from '#sim/wire/values.ts';
import type { World } from '#sim/world.ts';
import { ApiError } from './api-error.ts';
import { checkLogAtActivation } from './cbt-calls.ts';
import { removeDisk } from './disk-moves.ts';
import type { Call, Methods } from './method.ts';
import { snapshotDisk } from './vdi-calls.ts';

export const vmMethods: Methods = {
  'VM.snapshot': {
    params: ['vm', 'new_name', 'ignore_vdis'],
    optional: 1,
    role: 'vm-power-admin',
    run: snapshotVm,
  },
  'VM.pool_migrate': { params: ['vm', 'host', 'options'], role: 'vm-power-admin', run: migrateVm },
  'VM.destroy': { params: ['self'], role: 'vm-admin', run: destroyVm },
  'VM.start': { params: ['vm', 'start_paused', 'force'], role: 'vm-operator', run: start },
  'VM.clean_shutdown': { params: ['vm'], role: 'vm-operator', run: shutDown },
  'VM.hard_shutdown': { params: ['vm'], role: 'vm-operator', run: shutDown },
  'VM.shutdown': { params: ['vm'], role: 'vm-operator', run: shutDown },
};

/** Disks are snapshotted one after another: there is no common instant. A failure removes those already made. */
async function snapshotVm(call: Call): Promise<Value> {
  const { world, args } = call;
  const { VM, VBD } = world.db;
  const vm = args.ref(0, VM);
  const ignored = args.has(2) ? args.texts(2) : [];
  const vbds = VBD.where((vbd) => vbd.VM === vm && vbd.type === 'Disk' && !vbd.empty && !ignored.includes(vbd.VDI));
  const made: { readonly vbd: Ref; readonly vdi: Ref }[] = [];
  try {
    for (const vbd of vbds) made.push({ vbd, vdi: await snapshotDisk(call, VBD.get(vbd).VDI, {}) });
  } catch (error) {
    for (const { vdi } of made) removeDisk(world, vdi);
    throw error;
  }
  const snapshot = VM.create({
    ...VM.get(vm),
    uuid: randomUUID(),
    name_label: args.text(1),
    is_a_snapshot: true,
    is_a_template: true,
    snapshot_of: vm,
    snapshot_time: world.clock.now(),
    power_state: 'Halted',
    resident_on: NULL_REF,
  });
  for (const { vbd, vdi } of made) {
    VBD.create({ ...VBD.get(vbd), uuid: randomUUID(), VM: snapshot, VDI: vdi, currently_attached: false });
  }
  return snapshot;
}

/** Removes the VM and its VBD records. The disks stay, whoever they belong to. */
function destroyVm({ world, args }: Call): Value {
  const { VM, VBD, VIF } = world.db;
  const vm = args.ref(0, VM);
  requirePowerState(world, vm, 'Halted');
  for (const vbd of VBD.where((row) => row.VM === vm)) VBD.delete(vbd);
  for (const vif of VIF.where((row) => row.VM === vm)) VIF.delete(vif);
  VM.delete(vm);
  return VOID;
}

function start({ world, host, args }: Call): Value {
  const vm = args.ref(0, world.db.VM);
  requirePowerState(world, vm, 'Halted');
  powerOn(world, vm, host);
  return VOID;
}

export function powerOn(world: World, vm: Ref, host: Ref): void {
  const { VM, VBD } = world.db;
  VM.update(vm, { power_state: 'Running', resident_on: host });
  for (const vbd of VBD.where((row) => row.VM === vm && !row.empty)) {
    VBD.update(vbd, { currently_attached: true });
    checkLogAtActivation(world, VBD.get(vbd).VDI);
  }
}

function shutDown({ world, args }: Call): Value {
  const vm = args.ref(0, world.db.VM);
  requirePowerState(world, vm, 'Running');
  powerOff(world, vm);
  return VOID;
}

export function powerOff(world: World, vm: Ref): void {
  const { VM, VBD } = world.db;
  VM.update(vm, { power_state: 'Halted', resident_on: NULL_REF });
  for (const vbd of VBD.where((row) => row.VM === vm)) VBD.update(vbd, { currently_attached: false });
}

/** Between hosts that share the storage; disks stay where they are and keep their tracking. */
function migrateVm({ world, args }: Call): Value {
  const vm = args.ref(0, world.db.VM);
  requirePowerState(world, vm, 'Running');
  world.db.VM.update(vm, { resident_on: args.ref(1, world.db.host) });
  return VOID;
}

function requirePowerState(world: World, vm: Ref, expected: 'Halted' | 'Running'): void {
  const { power_state } = world.db.VM.get(vm);
  if (power_state !== expected) {
    throw new ApiError('VM_BAD_POWER_STATE', [vm, expected.toLowerCase(), power_state.toLowerCase()]);
  }
}
