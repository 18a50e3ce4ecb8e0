/** Making, copying and removing disks. */

import { randomUUID } from 'node:crypto';
import type { Ref } from '#sim/database/database.ts';
import { fork, requireShortChain } from '#sim/disks/vhd-chains.ts';
import { isSet, isStruct, NULL_REF, type Struct, type Value, VOID } from '#sim/wire/values.ts';
import { imageOf, type World } from '#sim/world.ts';
import { ApiError, backendFailure } from './api-error.ts';
import { loseTracking } from './cbt-calls.ts';
import { cloneDisk, duplicate, moveDisk, removeDisk } from './disk-moves.ts';
import type { Call, Methods } from './method.ts';
import { nbdInfo } from './nbd-info.ts';
import { onStorage } from './storage-lock.ts';
import { usedBytes } from './storage-state.ts';
import { incompatibleType, reachableSr, requirePersistent, srHasFeature, vdiInUse } from './vdi-rules.ts';

/** Disks of VHD type are whole multiples of this. */
const SIZE_STEP_BYTES = 2 * 1_048_576;

export const vdiMethods: Methods = {
  'VDI.snapshot': { params: ['vdi', 'driver_params'], optional: 1, role: 'vm-admin', run: snapshot },
  'VDI.create': { params: ['args'], role: 'vm-admin', run: create },
  'VDI.destroy': { params: ['self'], role: 'vm-admin', run: destroy },
  'VDI.clone': { params: ['vdi', 'driver_params'], optional: 1, role: 'vm-admin', run: clone },
  'VDI.copy': {
    params: ['vdi', 'sr', 'base_vdi', 'into_vdi'],
    optional: 2,
    role: 'vm-admin',
    run: copy,
  },
  'VDI.pool_migrate': { params: ['vdi', 'sr', 'options'], role: 'vm-power-admin', run: poolMigrate },
  'VDI.resize': { params: ['vdi', 'size'], role: 'vm-admin', run: resize },
  'VDI.get_nbd_info': { params: ['self'], role: 'vm-admin', syncOnly: true, since73: true, run: nbdInfo },
};

async function snapshot(call: Call): Promise<Value> {
  const { world, args } = call;
  const vdi = args.ref(0, world.db.VDI);
  const params = args.has(1) ? args.struct(1) : {};
  return snapshotDisk(call, vdi, params);
}

/** A read-only disk with the present content; it takes over the change log of its source. */
export function snapshotDisk(call: Call, vdi: Ref, driverParams: Struct): Promise<Ref> {
  const { world } = call;
  const { sharable, type } = world.db.VDI.get(vdi);
  if (sharable) throw new ApiError('VDI_IS_SHARABLE', [vdi]);
  if (type === 'cbt_metadata') throw incompatibleType(world, vdi);
  requirePersistent(world, vdi);
  const sr = reachableSr(world, vdi);
  if (!srHasFeature(world, sr, 'VDI_SNAPSHOT')) throw new ApiError('SR_OPERATION_NOT_SUPPORTED', [sr]);
  return onStorage(call, { sr, operation: 'vdi_snapshot' }, () => {
    requireShortChain(world, vdi);
    if (!hasSpace(world, sr, 0)) throw backendFailure(44, 'There is insufficient space', 'SR full');
    return takeSnapshot(world, vdi, driverParams);
  });
}

/** Without asking whether the host would. */
export function takeSnapshot(world: World, vdi: Ref, driverParams: Struct): Ref {
  if (world.faults.snapshotLogFails) {
    const body = 'A log could not be made for the snapshot; tracking is now off.';
    loseTracking(world, vdi, { name: 'VDI_CBT_SNAPSHOT_FAILED', body });
  }
  const source = world.db.VDI.get(vdi);
  const uuid = randomUUID();
  // Only the default kind of snapshot hands the log on; "single" and "internal" bypass it.
  const tracked = source.cbt_enabled && driverParams['type'] === undefined && !world.faults.snapshotWithoutCbt;
  const ref = world.db.VDI.create({
    ...source,
    uuid,
    location: uuid,
    is_a_snapshot: true,
    snapshot_of: source.is_a_snapshot ? source.snapshot_of : vdi,
    snapshot_time: world.clock.now(),
    read_only: true,
    cbt_enabled: tracked,
    // Tags and other_config are copied, so a marker on the source shows up on every later snapshot.
    other_config: { ...source.other_config, content_id: randomUUID() },
  });
  world.images.set(ref, imageOf(world, vdi).freeze());
  fork(world, vdi, ref);
  if (tracked) world.cbt.snapshot(source.uuid, uuid);
  return ref;
}

function create(call: Call): Promise<Value> {
  const { world, args } = call;
  const record = args.struct(0);
  const text = (field: string) => (typeof record[field] === 'string' ? record[field] : '');
  const sr = text('SR');
  world.db.SR.get(sr);
  if (text('type') === 'cbt_metadata') throw new ApiError('VDI_INCOMPATIBLE_TYPE', [NULL_REF, 'CBT metadata']);
  const sizeBytes = Math.ceil(Number(record['virtual_size']) / SIZE_STEP_BYTES) * SIZE_STEP_BYTES;
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) throw new ApiError('INTERNAL_ERROR', ['virtual_size']);
  return onStorage(call, { sr, operation: 'vdi_create' }, () => {
    if (!hasSpace(world, sr, sizeBytes)) throw new ApiError('SR_FULL', [String(sizeBytes), sr]);
    return addDisk(world, {
      sr,
      name: text('name_label'),
      description: text('name_description'),
      type: text('type') || 'user',
      sizeBytes,
      sharable: record['sharable'] === true,
      otherConfig: pairsOf(record['other_config']),
      smConfig: pairsOf(record['sm_config']),
      tags: isSet(record['tags']) ? record['tags'].map(String) : [],
    });
  });
}

function hasSpace(world: World, sr: Ref, sizeBytes: number): boolean {
  const { physical_size, type } = world.db.SR.get(sr);
  // Only volumes need their whole size at once; files grow until the repository is full.
  const neededBytes = type === 'lvm' ? sizeBytes : 0;
  return usedBytes(world, sr) + neededBytes < physical_size;
}

export interface NewDisk {
  readonly sr: Ref;
  readonly name: string;
  readonly description?: string;
  readonly type: string;
  readonly sizeBytes: number;
  readonly sharable?: boolean;
  readonly otherConfig?: Readonly<Record<string, string>>;
  readonly smConfig?: Readonly<Record<string, string>>;
  readonly tags?: readonly string[];
}

/** An empty disk with its record. */
export function addDisk(world: World, disk: NewDisk): Ref {
  const uuid = randomUUID();
  const ref = world.db.VDI.create({
    uuid,
    location: uuid,
    name_label: disk.name,
    name_description: disk.description ?? '',
    SR: disk.sr,
    virtual_size: disk.sizeBytes,
    type: disk.type,
    sharable: disk.sharable ?? false,
    other_config: disk.otherConfig ?? {},
    sm_config: disk.smConfig ?? {},
    tags: disk.tags ?? [],
  });
  world.images.set(ref, world.store.empty(disk.sizeBytes));
  return ref;
}

function pairsOf(value: Value | undefined): Record<string, string> {
  if (!isStruct(value)) return {};
  return Object.fromEntries(Object.entries(value).map(([key, text]) => [key, String(text)]));
}

function destroy(call: Call): Promise<Value> {
  const { world, args } = call;
  const vdi = args.ref(0, world.db.VDI);
  const sr = reachableSr(world, vdi);
  return onStorage(call, { sr, operation: 'vdi_destroy' }, () => {
    const attached = world.db.VBD.where((vbd) => vbd.VDI === vdi && vbd.currently_attached);
    if (attached.length > 0) throw vdiInUse(world, vdi, 'destroy');
    removeDisk(world, vdi);
    return VOID;
  });
}

function clone(call: Call): Promise<Value> {
  const { world, args } = call;
  const vdi = args.ref(0, world.db.VDI);
  const sr = reachableSr(world, vdi);
  return onStorage(call, { sr, operation: 'vdi_clone' }, () => {
    requireShortChain(world, vdi);
    return cloneDisk(world, vdi);
  });
}

function copy(call: Call): Promise<Value> {
  const { world, args } = call;
  const vdi = args.ref(0, world.db.VDI);
  const sr = args.ref(1, world.db.SR);
  if (world.db.VDI.get(vdi).type === 'cbt_metadata') throw incompatibleType(world, vdi);
  return onStorage(call, { sr, operation: 'vdi_create' }, () => duplicate(world, vdi, sr));
}

function poolMigrate(call: Call): Promise<Value> {
  const { world, args } = call;
  const vdi = args.ref(0, world.db.VDI);
  const sr = args.ref(1, world.db.SR);
  return onStorage(call, { sr, operation: 'vdi_create' }, () => moveDisk(world, vdi, sr));
}

function resize(call: Call): Promise<Value> {
  const { world, args } = call;
  const vdi = args.ref(0, world.db.VDI);
  const sizeBytes = args.integer(1);
  const sr = reachableSr(world, vdi);
  return onStorage(call, { sr, operation: 'vdi_resize' }, () => {
    const { virtual_size } = world.db.VDI.get(vdi);
    if (sizeBytes < virtual_size) throw new ApiError('INTERNAL_ERROR', ['VDI.resize: disks cannot shrink']);
    resizeDisk(world, vdi, sizeBytes);
    return VOID;
  });
}

export function resizeDisk(world: World, vdi: Ref, sizeBytes: number): void {
  imageOf(world, vdi).resize(sizeBytes);
  if (world.faults.resizeLogFails) {
    const body = 'The log of changed blocks could not be resized; tracking is now off.';
    loseTracking(world, vdi, { name: 'VDI_CBT_RESIZE_FAILED', body });
  }
  world.cbt.resize(world.db.VDI.get(vdi).uuid, sizeBytes);
  world.db.VDI.update(vdi, { virtual_size: sizeBytes });
}
