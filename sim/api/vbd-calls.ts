/** Virtual block devices: what ties a disk to a VM or to the control domain. */

import type { Ref } from '#sim/database/database.ts';
import { NULL_REF, type Value, VOID } from '#sim/wire/values.ts';
import type { World } from '#sim/world.ts';
import { ApiError } from './api-error.ts';
import type { Call, Methods } from './method.ts';
import { incompatibleType, vdiInUse } from './vdi-rules.ts';

export const vbdMethods: Methods = {
  'VBD.create': { params: ['args'], role: 'vm-admin', run: create },
  'VBD.plug': {
    params: ['self'],
    role: 'vm-admin',
    run: ({ world, args }) => {
      plugVbd(world, args.ref(0, world.db.VBD));
      return VOID;
    },
  },
  'VBD.unplug': {
    params: ['self'],
    role: 'vm-admin',
    run: ({ world, args }) => {
      const vbd = args.ref(0, world.db.VBD);
      if (!world.db.VBD.get(vbd).currently_attached) throw new ApiError('DEVICE_ALREADY_DETACHED', [vbd]);
      world.db.VBD.update(vbd, { currently_attached: false });
      return VOID;
    },
  },
  'VBD.destroy': {
    params: ['self'],
    role: 'vm-admin',
    run: ({ world, args }) => {
      const vbd = args.ref(0, world.db.VBD);
      if (world.db.VBD.get(vbd).currently_attached) throw new ApiError('OPERATION_NOT_ALLOWED', ['VBD is attached']);
      world.db.VBD.delete(vbd);
      return VOID;
    },
  },
};

function create({ world, args }: Call): Value {
  const record = args.struct(0);
  const text = (field: string) => (typeof record[field] === 'string' ? record[field] : '');
  const vdi = text('VDI') || NULL_REF;
  return addVbd(world, {
    vm: text('VM'),
    vdi,
    mode: text('mode') || 'RW',
    userdevice: text('userdevice'),
    bootable: record['bootable'] === true,
    type: text('type') || 'Disk',
  });
}

export interface NewVbd {
  readonly vm: Ref;
  readonly vdi: Ref;
  readonly mode: string;
  /** Empty or `autodetect`: the first free one. */
  readonly userdevice?: string;
  readonly bootable?: boolean;
  readonly type?: string;
}

export function addVbd(world: World, { vm, vdi, mode, userdevice, bootable, type }: NewVbd): Ref {
  const { VM, VDI, VBD } = world.db;
  VM.get(vm);
  if (vdi !== NULL_REF && VDI.get(vdi).type === 'cbt_metadata') throw incompatibleType(world, vdi);
  const used = VBD.where((vbd) => vbd.VM === vm).map((vbd) => VBD.get(vbd).userdevice);
  if (userdevice && userdevice !== 'autodetect' && used.includes(userdevice)) {
    throw new ApiError('DEVICE_ALREADY_EXISTS', [userdevice]);
  }
  const device = userdevice && userdevice !== 'autodetect' ? userdevice : firstFree(used);
  return VBD.create({
    VM: vm,
    VDI: vdi,
    mode,
    type: type ?? 'Disk',
    empty: vdi === NULL_REF,
    bootable: bootable ?? false,
    userdevice: device,
    device: deviceName(Number(device)),
  });
}

function firstFree(used: readonly string[]): string {
  let device = 0;
  while (used.includes(String(device))) device += 1;
  return String(device);
}

/** xvda to xvdz, then xvdaa and on. */
function deviceName(index: number): string {
  const last = String.fromCharCode(97 + (index % 26));
  return index < 26 ? `xvd${last}` : `xvd${String.fromCharCode(96 + Math.floor(index / 26))}${last}`;
}

export function plugVbd(world: World, vbd: Ref): void {
  const { VBD } = world.db;
  const { VDI: vdi, mode, currently_attached } = VBD.get(vbd);
  if (currently_attached) throw new ApiError('DEVICE_ALREADY_ATTACHED', [vbd]);
  const writers = VBD.where((row) => row.VDI === vdi && row.currently_attached && row.mode === 'RW');
  // The check for sharing skips the control domain when it only reads.
  if (writers.length > 0 && mode === 'RW') throw vdiInUse(world, vdi, 'attach');
  VBD.update(vbd, { currently_attached: true });
}
