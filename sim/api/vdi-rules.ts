/** Conditions the host checks before it touches a disk. */

import type { Ref } from '#sim/database/database.ts';
import { NULL_REF } from '#sim/wire/values.ts';
import type { World } from '#sim/world.ts';
import { ApiError } from './api-error.ts';

/** VDI_IN_USE comes with two, one or no parameters, depending on which layer of the host raises it. */
export function vdiInUse(world: World, vdi: Ref, operation: string): ApiError {
  switch (world.faults.vdiInUseParameters) {
    case 'vdi and operation':
      return new ApiError('VDI_IN_USE', [vdi, operation]);
    case 'vdi':
      return new ApiError('VDI_IN_USE', [vdi]);
    case 'none':
      return new ApiError('VDI_IN_USE');
  }
}

/** The storage repository of a disk, if the host can reach it. */
export function reachableSr(world: World, vdi: Ref): Ref {
  const { VDI, PBD } = world.db;
  const sr = VDI.get(vdi).SR;
  const pbds = PBD.where((pbd) => pbd.SR === sr);
  if (pbds.length === 0) throw new ApiError('SR_NO_PBDS', [sr]);
  if (!pbds.some((pbd) => PBD.get(pbd).currently_attached)) throw new ApiError('SR_NOT_ATTACHED', [sr]);
  if (!VDI.get(vdi).managed) throw new ApiError('VDI_NOT_MANAGED', [vdi]);
  if (VDI.get(vdi).missing) throw new ApiError('VDI_MISSING', [sr, vdi]);
  return sr;
}

/** CBT needs a driver that announces it. */
export function requireCbtCapableSr(world: World, sr: Ref): void {
  if (!srHasFeature(world, sr, 'VDI_CONFIG_CBT')) throw new ApiError('SR_OPERATION_NOT_SUPPORTED', [sr]);
}

export function srHasFeature(world: World, sr: Ref, feature: string): boolean {
  const { SR, SM } = world.db;
  const { type } = SR.get(sr);
  return SM.where((sm) => sm.type === type && feature in sm.features).length > 0;
}

/** Errors name the type the way people read it; get_type names it the way programs do. */
const TYPE_NAMES: Readonly<Record<string, string>> = {
  user: 'User',
  system: 'System',
  ephemeral: 'Ephemeral',
  suspend: 'Suspend',
  crashdump: 'Crashdump',
  ha_statefile: 'HA statefile',
  metadata: 'Metadata',
  redo_log: 'Redo log',
  rrd: 'rrd',
  pvs_cache: 'PVS cache',
  cbt_metadata: 'CBT metadata',
};

export function incompatibleType(world: World, vdi: Ref): ApiError {
  const { type } = world.db.VDI.get(vdi);
  return new ApiError('VDI_INCOMPATIBLE_TYPE', [vdi, TYPE_NAMES[type] ?? type]);
}

export function requirePersistent(world: World, vdi: Ref): void {
  if (world.db.VDI.get(vdi).on_boot === 'reset') {
    throw new ApiError('VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION');
  }
}

/** VBDs that hold a disk for a VM that is not itself a snapshot; the control domain counts. */
export function liveAttachments(world: World, vdi: Ref): Ref[] {
  const { VBD, VM } = world.db;
  return VBD.where(
    (vbd) => vbd.VDI === vdi && vbd.currently_attached && vbd.VM !== NULL_REF && !VM.get(vbd.VM).is_a_snapshot,
  );
}
