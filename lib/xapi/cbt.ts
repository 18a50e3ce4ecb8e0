/** Changed block tracking: turning it on, what changed, and snapshots reduced to their record of changes. */

import * as z from 'zod/mini';
import type { XapiCaller } from './session.ts';
import type { StartedTask } from './task.ts';
import { nothing, taskRef, type VdiRef } from './wire-types.ts';

/** Idempotent. The first snapshot made after the task has ended is the first that can be compared with. */
export async function startEnableCbt(session: XapiCaller, vdi: VdiRef): Promise<StartedTask<void>> {
  return { task: await session.change('Async.VDI.enable_cbt', [vdi], taskRef), result: nothing };
}

/** The reply of a comparison: the bitmap below. */
export const changedBlocks = z.pipe(
  z.string(),
  z.transform((base64: string, context): Buffer => {
    const bytes = Buffer.from(base64, 'base64');
    // The decoder skips what is no base64, which would shift every bit after it: the number of bytes tells.
    if (bytes.length !== base64Bytes(base64)) {
      context.issues.push({ code: 'custom', message: 'is not base64', input: undefined });
    }
    return bytes;
  }),
);

/** How many bytes a whole base64 text holds, or -1 for a torn one. */
function base64Bytes(base64: string): number {
  if (base64.length % 4 !== 0) return -1;
  const padding = base64.match(/={0,2}$/)?.[0].length ?? 0;
  return (base64.length / 4) * 3 - padding;
}

/**
 * Which blocks of 64 KiB changed after `from` up to and including `to`; `from` is the older one.
 *
 * ```
 *   block   0 1 2 3 4 5 6 7   8 9 …
 *   byte    0 (0x80 first)    1          ceil(ceil(virtualBytes / 65536) / 8) bytes, padded with 0
 * ```
 *
 * Before any NBD connection to `to`: the host's own attachment for one makes it `VdiInUse`.
 */
export async function startListChangedBlocks(
  session: XapiCaller,
  span: { readonly from: VdiRef; readonly to: VdiRef },
): Promise<StartedTask<Buffer>> {
  const task = await session.change('Async.VDI.list_changed_blocks', [span.from, span.to], taskRef);
  return { task, result: changedBlocks };
}

/**
 * Drops a snapshot's data and keeps its record of changes. Idempotent. The host waits 4 s for attachments to go and then
 * answers `VdiInUse`, which is routine shortly after an NBD connection was closed.
 */
export async function startDataDestroy(session: XapiCaller, vdi: VdiRef): Promise<StartedTask<void>> {
  return { task: await session.change('Async.VDI.data_destroy', [vdi], taskRef), result: nothing };
}
