/** Back to a snapshot: of one disk where its driver can, of a whole VM in either way. */

import type { Ref } from '#sim/database/database.ts';
import { type Value, VOID } from '#sim/wire/values.ts';
import type { World } from '#sim/world.ts';
import { ApiError } from './api-error.ts';
import { replaceBySnapshot, revertInPlace } from './disk-moves.ts';
import type { Call, Methods } from './method.ts';
import { onStorage } from './storage-lock.ts';
import { liveAttachments, reachableSr, srHasFeature, vdiInUse } from './vdi-rules.ts';
import { powerOff } from './vm-calls.ts';

/** What a driver announces that reverts a disk itself; without it a VM is reverted by clones. */
const REVERT_FEATURE = 'VDI_REVERT';

export const revertMethods: Methods = {
  // In truth it came years later than 7.3, with 26.1.13; no host older than that announces the feature.
  'VDI.revert': { params: ['snapshot'], role: 'vm-admin', since73: true, run: revertVdi },
  'VM.revert': { params: ['snapshot'], role: 'vm-power-admin', run: revertVm },
};

async function revertVdi(call: Call): Promise<Value> {
  const { world, args } = call;
  const snapshot = args.ref(0, world.db.VDI);
  const live = liveDiskOf(world, snapshot);
  if (live === undefined) throw new ApiError('OPERATION_NOT_ALLOWED', [`${snapshot} is no snapshot of a disk`]);
  const sr = reachableSr(world, live);
  if (!srHasFeature(world, sr, REVERT_FEATURE)) throw new ApiError('SR_OPERATION_NOT_SUPPORTED', [sr]);
  await revertDisk(call, { live, snapshot });
  return VOID;
}

/** Stops the VM if it runs. Each disk that the snapshot has goes back; disks that the VM got since stay as they are. */
async function revertVm(call: Call): Promise<Value> {
  const { world, args } = call;
  const { VM, VBD } = world.db;
  const of = args.ref(0, VM);
  const vm = VM.get(of).snapshot_of;
  if (!VM.has(vm)) throw new ApiError('VM_REVERT_FAILED', [of, vm]);
  if (VM.get(vm).power_state === 'Running') powerOff(world, vm);
  for (const vbd of VBD.where((row) => row.VM === of && !row.empty)) {
    const { VDI: snapshot } = VBD.get(vbd);
    const live = liveDiskOf(world, snapshot);
    if (live !== undefined) await revertDisk(call, { live, snapshot });
  }
  return VOID;
}

/** In place where the driver can; otherwise a clone of the snapshot, untracked and with a uuid of its own, replaces it. */
function revertDisk(call: Call, { live, snapshot }: { live: Ref; snapshot: Ref }): Promise<void> {
  const { world } = call;
  const sr = reachableSr(world, live);
  const inPlace = srHasFeature(world, sr, REVERT_FEATURE);
  return onStorage(call, { sr, operation: inPlace ? 'vdi_revert' : 'vdi_clone' }, () => {
    if (liveAttachments(world, live).length > 0) throw vdiInUse(world, live, 'revert');
    if (inPlace) revertInPlace(world, live, snapshot);
    else replaceBySnapshot(world, live, snapshot);
  });
}

function liveDiskOf({ db: { VDI } }: World, snapshot: Ref): Ref | undefined {
  const { is_a_snapshot, snapshot_of } = VDI.get(snapshot);
  return is_a_snapshot && VDI.has(snapshot_of) ? snapshot_of : undefined;
}
