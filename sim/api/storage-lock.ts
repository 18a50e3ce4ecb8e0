/** One storage operation at a time per storage repository; the others are retried by the host itself. */

import type { Ref } from '#sim/database/database.ts';
import { drawMs, pause } from '#sim/timings.ts';
import { ApiError } from './api-error.ts';
import type { Call } from './method.ts';

/** Operations a file-based storage repository with CBT offers while it is idle. */
export const SR_OPERATIONS = [
  'vdi_create',
  'vdi_destroy',
  'vdi_snapshot',
  'vdi_resize',
  'vdi_clone',
  'vdi_enable_cbt',
  'vdi_disable_cbt',
  'vdi_data_destroy',
  'vdi_list_changed_blocks',
  'vdi_set_on_boot',
  'scan',
  'plug',
  'unplug',
] as const;

/** Besides those, what only a driver with VDI_REVERT offers. */
export type SrOperation = (typeof SR_OPERATIONS)[number] | 'vdi_revert';

/** Runs `work` with the storage repository to itself; a caller that waits too long is told who was in the way. */
export async function onStorage<T>(
  call: Call,
  { sr, operation }: { sr: Ref; operation: SrOperation },
  work: () => T | Promise<T>,
): Promise<T> {
  const { world, signal } = call;
  if (world.faults.poolUpgrading) throw new ApiError('NOT_SUPPORTED_DURING_UPGRADE');
  let waitedMs = 0;
  for (let busy = world.srOperations.get(sr); busy !== undefined; busy = world.srOperations.get(sr)) {
    if (waitedMs >= world.timings.busyTimeoutMs) {
      throw new ApiError('OTHER_OPERATION_IN_PROGRESS', ['SR', sr, busy, NO_OPERATION_REF]);
    }
    const retryMs = Math.min(drawMs(world.timings.busyRetryMs), world.timings.busyTimeoutMs - waitedMs);
    // At least a millisecond, so that a delay of zero cannot keep the loop from reaching its deadline.
    await pause(Math.max(1, retryMs), signal);
    waitedMs += Math.max(1, retryMs);
  }
  world.srOperations.set(sr, operation);
  try {
    await pause(world.timings.storageOperationMs, signal);
    return await work();
  } finally {
    world.srOperations.delete(sr);
  }
}

/** The operation's own reference is internal to the host; clients get something opaque. */
const NO_OPERATION_REF = 'OpaqueRef:NULL';
