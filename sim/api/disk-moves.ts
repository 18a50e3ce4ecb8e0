/** What happens to a disk's identity and its tracking when it is removed, copied, moved or reverted. */

import { randomUUID } from 'node:crypto';
import type { Ref } from '#sim/database/database.ts';
import { fork, leaveChain } from '#sim/disks/vhd-chains.ts';
import { NULL_REF } from '#sim/wire/values.ts';
import { imageOf, type World } from '#sim/world.ts';
import { ApiError } from './api-error.ts';
import { stopTracking } from './cbt-calls.ts';

/** Removes a disk, its data, its log and the VBD records that name it. */
export function removeDisk(world: World, vdi: Ref): void {
  const { VDI, VBD } = world.db;
  world.cbt.remove(VDI.get(vdi).uuid);
  leaveChain(world, vdi);
  world.images.get(vdi)?.drop();
  world.images.delete(vdi);
  for (const vbd of VBD.where((row) => row.VDI === vdi)) VBD.delete(vbd);
  for (const snapshot of VDI.where((row) => row.snapshot_of === vdi)) VDI.update(snapshot, { snapshot_of: NULL_REF });
  VDI.delete(vdi);
}

/** A writable disk of the same content on the same storage: its file shares a parent with the original's. */
export function cloneDisk(world: World, vdi: Ref): Ref {
  const copy = duplicate(world, vdi, world.db.VDI.get(vdi).SR);
  fork(world, vdi, copy);
  return copy;
}

/** A writable disk of the same content in a file of its own: new identity, change tracking off. */
export function duplicate(world: World, vdi: Ref, sr: Ref): Ref {
  const source = world.db.VDI.get(vdi);
  const uuid = randomUUID();
  const ref = world.db.VDI.create({
    ...source,
    uuid,
    location: uuid,
    SR: sr,
    is_a_snapshot: false,
    snapshot_of: NULL_REF,
    snapshot_time: new Date(0),
    read_only: false,
    cbt_enabled: false,
    sm_config: {},
  });
  world.images.set(ref, imageOf(world, vdi).freeze());
  return ref;
}

/** Storage migration makes a new disk of the old one, which is why it is refused while tracking is on. */
export function moveDisk(world: World, vdi: Ref, sr: Ref): Ref {
  if (world.db.VDI.get(vdi).cbt_enabled) throw new ApiError('VDI_CBT_ENABLED', [vdi]);
  const moved = duplicate(world, vdi, sr);
  takePlace(world, vdi, moved);
  return moved;
}

/** The classic revert: the live disk is destroyed, a clone of the snapshot takes its place, tracking is off. */
export function replaceBySnapshot(world: World, live: Ref, snapshot: Ref): Ref {
  const replacement = cloneDisk(world, snapshot);
  takePlace(world, live, replacement);
  return replacement;
}

/**
 * The newer revert, by the storage driver: record and uuid stay, the content is the snapshot's again. The log starts a
 * new set, so a bitmap against any older snapshot is refused although the uuid is the same.
 */
export function revertInPlace(world: World, live: Ref, snapshot: Ref): void {
  const { uuid, cbt_enabled } = world.db.VDI.get(live);
  const image = imageOf(world, snapshot).freeze();
  world.images.get(live)?.drop();
  world.images.set(live, image);
  world.db.VDI.update(live, { virtual_size: image.sizeBytes });
  leaveChain(world, live);
  fork(world, snapshot, live);
  if (!cbt_enabled) return;
  stopTracking(world, live);
  world.cbt.start(uuid, image.sizeBytes);
  world.db.VDI.update(live, { cbt_enabled: true });
}

/** Devices and snapshots of the old disk belong to the new one; the old one goes. */
function takePlace(world: World, old: Ref, replacement: Ref): void {
  const { VBD, VDI } = world.db;
  for (const vbd of VBD.where((row) => row.VDI === old)) VBD.update(vbd, { VDI: replacement });
  for (const snapshot of VDI.where((row) => row.snapshot_of === old)) {
    VDI.update(snapshot, { snapshot_of: replacement });
  }
  removeDisk(world, old);
}
