/** Fields of storage records that depend on what is stored and running right now. */

import type { Ref } from '#sim/database/database.ts';
import type { World } from '#sim/world.ts';
import { SR_OPERATIONS } from './storage-lock.ts';

/** Operations vanish from the list while any of them runs, because then everything is in progress. */
export function srState(world: World, sr: Ref) {
  const { SR, SM } = world.db;
  const running = world.srOperations.get(sr);
  const { type } = SR.get(sr);
  const announced = (feature: string) => SM.where((sm) => sm.type === type && feature in sm.features).length > 0;
  const tracked = announced('VDI_CONFIG_CBT');
  const always = SR_OPERATIONS.filter((name) => tracked || !CBT_OPERATIONS.includes(name));
  const offered = announced('VDI_REVERT') ? [...always, 'vdi_revert'] : always;
  return {
    allowed_operations: running === undefined ? offered : [],
    current_operations: running === undefined ? {} : { [sr]: running },
    virtual_allocation: virtualBytes(world, sr),
    physical_utilisation: usedBytes(world, sr),
  };
}

const CBT_OPERATIONS: readonly string[] = [
  'vdi_enable_cbt',
  'vdi_disable_cbt',
  'vdi_data_destroy',
  'vdi_list_changed_blocks',
];

/** Volumes take their whole size from the start; files take what was written. */
export function usedBytes(world: World, sr: Ref): number {
  const { SR, VDI } = world.db;
  if (SR.get(sr).type === 'lvm') return virtualBytes(world, sr);
  const disks = VDI.where((vdi) => vdi.SR === sr);
  return disks.reduce((total, vdi) => total + (world.images.get(vdi)?.allocatedBytes ?? 0), 0);
}

/** Hidden parents hold no more than what was written, which the disks above them count already. */
function virtualBytes(world: World, sr: Ref): number {
  const { VDI } = world.db;
  return VDI.where((vdi) => vdi.SR === sr && vdi.managed).reduce((total, vdi) => total + VDI.get(vdi).virtual_size, 0);
}

/** The field is limited to operations known before 2016, so nothing about CBT is ever in it. */
export function vdiState(world: World, vdi: Ref) {
  const row = world.db.VDI.get(vdi);
  const image = world.images.get(vdi);
  const operations = image
    ? ['snapshot', 'clone', 'copy', 'resize', 'destroy', 'generate_config', 'update']
    : ['destroy'];
  return {
    allowed_operations: row.is_a_snapshot ? operations.filter((name) => name !== 'resize') : operations,
    physical_utilisation: image?.allocatedBytes ?? row.physical_utilisation,
  };
}
