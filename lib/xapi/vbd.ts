/** Attachments of disks to VMs, the control domain included. */

import * as z from 'zod/mini';
import type { XapiCaller } from './session.ts';
import { type StartedTask, unlessGone } from './task.ts';
import { nothing, orNull, recordsByRef, taskRef, type VbdRef, vbdRef, vdiRef, vmRef } from './wire-types.ts';

const vbdRecord = z.pipe(
  z.object({
    uuid: z.string(),
    VM: vmRef,
    VDI: orNull(vdiRef),
    // `Disk`, `CD` or `Floppy`.
    type: z.string(),
    empty: z.boolean(),
    mode: z.enum(['RO', 'RW']),
    bootable: z.boolean(),
    device: z.string(),
    userdevice: z.string(),
    currently_attached: z.boolean(),
  }),
  z.transform((wire) => ({
    uuid: wire.uuid,
    vm: wire.VM,
    vdi: wire.VDI,
    type: wire.type,
    empty: wire.empty,
    mode: wire.mode,
    bootable: wire.bootable,
    device: wire.device,
    /** Position on the VM as text: `0` is the first disk. */
    userDevice: wire.userdevice,
    currentlyAttached: wire.currently_attached,
  })),
);

export type VbdRecord = z.output<typeof vbdRecord>;

export function readVbd(session: XapiCaller, vbd: VbdRef): Promise<VbdRecord> {
  return session.read('VBD.get_record', [vbd], vbdRecord);
}

const vbdRecords = recordsByRef(vbdRef, vbdRecord);

/** All attachments of the pool, for finding disks that stayed attached to a control domain. */
export function readAllVbds(session: XapiCaller): Promise<readonly (VbdRecord & { readonly ref: VbdRef })[]> {
  return session.read('VBD.get_all_records', [], vbdRecords);
}

/** Detaches; the VM or the control domain has to let go, which may take seconds. */
export async function startVbdUnplug(session: XapiCaller, vbd: VbdRef): Promise<StartedTask<void>> {
  return { task: await session.change('Async.VBD.unplug', [vbd], taskRef), result: nothing };
}

/** Removes the attachment's record; it must be unplugged. One that is gone is removed. */
export async function destroyVbd(session: XapiCaller, vbd: VbdRef): Promise<void> {
  await unlessGone(session.change('VBD.destroy', [vbd], nothing));
}
