/** Switching change tracking on and off, asking for changes, and dropping a snapshot's data. */

import type { Ref } from '#sim/database/database.ts';
import { leaveChain } from '#sim/disks/vhd-chains.ts';
import { pause } from '#sim/timings.ts';
import { NULL_REF, type Value, VOID } from '#sim/wire/values.ts';
import { raiseMessage, type World } from '#sim/world.ts';
import { ApiError, backendFailure } from './api-error.ts';
import type { Call, Methods } from './method.ts';
import { onStorage } from './storage-lock.ts';
import {
  incompatibleType,
  liveAttachments,
  reachableSr,
  requireCbtCapableSr,
  requirePersistent,
  vdiInUse,
} from './vdi-rules.ts';

/** How often data_destroy looks whether the last VBD has gone. */
const VBD_POLL_MS = 5;

/** The fixed content_id that marks a disk without content. */
const NO_CONTENT_ID = '/NULL';

export const cbtMethods: Methods = {
  'VDI.enable_cbt': { params: ['self'], role: 'vm-admin', since73: true, run: enableCbt },
  'VDI.disable_cbt': { params: ['self'], role: 'vm-admin', since73: true, run: disableCbt },
  'VDI.list_changed_blocks': {
    params: ['vdi_from', 'vdi_to'],
    role: 'vm-operator',
    since73: true,
    run: listChangedBlocks,
  },
  'VDI.data_destroy': { params: ['self'], role: 'vm-admin', since73: true, run: dataDestroy },
};

function enableCbt(call: Call): Promise<Value> {
  const { world, args } = call;
  const vdi = args.ref(0, world.db.VDI);
  if (world.faults.cbtRestricted) throw new ApiError('LICENCE_RESTRICTION', ['CBT']);
  const sr = requireTrackable(world, vdi);
  return onStorage(call, { sr, operation: 'vdi_enable_cbt' }, () => {
    const { uuid, cbt_enabled, virtual_size, sm_config } = world.db.VDI.get(vdi);
    if (sm_config['vdi_type'] === 'aio') throw backendFailure(66, 'Failed to invoke command', 'raw VDI');
    if (!cbt_enabled) {
      world.cbt.start(uuid, virtual_size);
      world.db.VDI.update(vdi, { cbt_enabled: true });
    }
    return VOID;
  });
}

function disableCbt(call: Call): Promise<Value> {
  const { world, args } = call;
  const vdi = args.ref(0, world.db.VDI);
  const sr = requireTrackable(world, vdi);
  return onStorage(call, { sr, operation: 'vdi_disable_cbt' }, () => {
    stopTracking(world, vdi);
    return VOID;
  });
}

export function stopTracking(world: World, vdi: Ref): void {
  const { uuid, cbt_enabled } = world.db.VDI.get(vdi);
  if (!cbt_enabled) return;
  world.cbt.stop(uuid);
  world.db.VDI.update(vdi, { cbt_enabled: false });
}

function requireTrackable(world: World, vdi: Ref): Ref {
  const { type, is_a_snapshot } = world.db.VDI.get(vdi);
  if (is_a_snapshot) throw new ApiError('OPERATION_NOT_ALLOWED', [`VDI is a snapshot: ${vdi}`]);
  if (type !== 'user' && type !== 'system') throw incompatibleType(world, vdi);
  requirePersistent(world, vdi);
  const sr = reachableSr(world, vdi);
  requireCbtCapableSr(world, sr);
  return sr;
}

function listChangedBlocks(call: Call): Promise<Value> {
  const { world, args } = call;
  const from = args.ref(0, world.db.VDI);
  const to = args.ref(1, world.db.VDI);
  const sr = reachableSr(world, to);
  requireCbtCapableSr(world, sr);
  // An NBD export of the newer disk is an attachment to the control domain, so it blocks this call as well.
  if (liveAttachments(world, to).length > 0) throw vdiInUse(world, to, 'list_changed_blocks');
  return onStorage(call, { sr, operation: 'vdi_list_changed_blocks' }, () => {
    const older = world.db.VDI.get(from);
    if (older.SR !== sr) throw new ApiError('INTERNAL_ERROR', ['Storage_error ([S(Vdi_does_not_exist)])']);
    const bitmap = world.cbt.changedBlocks(older.uuid, world.db.VDI.get(to).uuid);
    const sent = world.faults.truncatedBitmap ? bitmap.subarray(0, bitmap.length - 1) : bitmap;
    return sent.toString('base64');
  });
}

async function dataDestroy(call: Call): Promise<Value> {
  const { world, args } = call;
  const vdi = args.ref(0, world.db.VDI);
  const { type, is_a_snapshot, cbt_enabled } = world.db.VDI.get(vdi);
  if (world.faults.poolUpgrading) throw new ApiError('NOT_SUPPORTED_DURING_UPGRADE');
  if (!is_a_snapshot) throw new ApiError('OPERATION_NOT_ALLOWED', [`VDI is not a snapshot: ${vdi}`]);
  if (!cbt_enabled) throw new ApiError('VDI_NO_CBT_METADATA', [vdi]);
  if (type === 'cbt_metadata') return VOID;
  const sr = reachableSr(world, vdi);
  // The type changes first, and back if the wait is in vain: other callers can see it in between.
  world.db.VDI.update(vdi, { type: 'cbt_metadata' });
  try {
    await vbdsGone(call, vdi);
    return await onStorage(call, { sr, operation: 'vdi_data_destroy' }, () => {
      dropData(world, vdi);
      return VOID;
    });
  } catch (error) {
    if (world.db.VDI.has(vdi)) world.db.VDI.update(vdi, { type });
    throw error;
  }
}

/** Every VBD record must be gone, unplugged ones and those of snapshot VMs too. */
async function vbdsGone({ world, signal }: Call, vdi: Ref): Promise<void> {
  const remaining = () => world.db.VBD.where((vbd) => vbd.VDI === vdi).length;
  const deadline = Date.now() + world.timings.dataDestroyWaitMs;
  while (remaining() > 0) {
    if (Date.now() >= deadline) throw vdiInUse(world, vdi, 'data_destroy');
    await pause(VBD_POLL_MS, signal);
  }
}

function dropData(world: World, vdi: Ref): void {
  const { VDI } = world.db;
  world.images.get(vdi)?.drop();
  world.images.delete(vdi);
  leaveChain(world, vdi);
  const { other_config, virtual_size, uuid } = VDI.get(vdi);
  const logBytes = world.cbt.logFileBytes(uuid);
  VDI.update(vdi, {
    other_config: { ...other_config, content_id: NO_CONTENT_ID },
    physical_utilisation: logBytes,
    // A scan takes the log file for the disk and writes its size into the record.
    virtual_size: world.faults.scanOverwritesSize ? logBytes : virtual_size,
  });
}

/** After a crash the next activation finds a log it cannot trust, removes it and says so. */
export function checkLogAtActivation(world: World, vdi: Ref): void {
  if (vdi === NULL_REF || world.cbt.isConsistent(world.db.VDI.get(vdi).uuid)) return;
  const body = 'The log of changed blocks was inconsistent after a crash; tracking is now off.';
  loseTracking(world, vdi, { name: 'VDI_CBT_METADATA_INCONSISTENT', body });
}

/** The storage driver gives a log up: the operation goes on without it, and only a message tells. */
export function loseTracking(world: World, vdi: Ref, why: { name: string; body: string }): void {
  const { uuid, cbt_enabled } = world.db.VDI.get(vdi);
  if (!cbt_enabled) return;
  stopTracking(world, vdi);
  raiseMessage(world, { ...why, cls: 'VDI', objectUuid: uuid });
}
