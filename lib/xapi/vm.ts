/** Virtual machines. */

import * as z from 'zod/mini';
import { parseVmId, type VmId } from '#lib/units.ts';
import type { XapiCaller } from './session.ts';
import type { StartedTask } from './task.ts';
import { nothing, orNull, recordsByRef, taskRef, textMap, texts, type VmRef, vbdRef, vmRef } from './wire-types.ts';

const vmId = z.pipe(z.string().check(z.regex(/^[0-9a-f-]{36}$/)), z.transform(parseVmId));

const vmRecord = z.pipe(
  z.object({
    uuid: vmId,
    name_label: z.string(),
    name_description: z.string(),
    power_state: z.enum(['Halted', 'Paused', 'Running', 'Suspended']),
    is_a_template: z.boolean(),
    is_a_snapshot: z.boolean(),
    is_control_domain: z.boolean(),
    snapshot_of: orNull(vmRef),
    VBDs: z.array(vbdRef),
    tags: texts,
    other_config: textMap,
  }),
  z.transform((wire) => ({
    uuid: wire.uuid,
    nameLabel: wire.name_label,
    nameDescription: wire.name_description,
    powerState: wire.power_state,
    isTemplate: wire.is_a_template,
    isSnapshot: wire.is_a_snapshot,
    isControlDomain: wire.is_control_domain,
    snapshotOf: wire.snapshot_of,
    vbds: wire.VBDs,
    tags: wire.tags,
    otherConfig: wire.other_config,
  })),
);

export type VmRecord = z.output<typeof vmRecord>;
export type ListedVm = VmRecord & { readonly ref: VmRef };

export function findVm(session: XapiCaller, uuid: VmId): Promise<VmRef> {
  return session.read('VM.get_by_uuid', [uuid], vmRef);
}

export function readVm(session: XapiCaller, vm: VmRef): Promise<VmRecord> {
  return session.read('VM.get_record', [vm], vmRecord);
}

const vmRecords = recordsByRef(vmRef, vmRecord);

/** Everything of class VM: also templates, snapshots and control domains. */
export function readAllVms(session: XapiCaller): Promise<readonly ListedVm[]> {
  return session.read('VM.get_all_records', [], vmRecords);
}

/** The machines that somebody runs, which are what a policy selects from. */
export async function readRealVms(session: XapiCaller): Promise<readonly ListedVm[]> {
  const all = await readAllVms(session);
  return all.filter((vm) => !vm.isTemplate && !vm.isSnapshot && !vm.isControlDomain);
}

export function setVmNameLabel(session: XapiCaller, vm: VmRef, nameLabel: string): Promise<void> {
  return session.change('VM.set_name_label', [vm, nameLabel], nothing);
}

/** Removing a key that is not there is no error. */
export function removeVmOtherConfig(session: XapiCaller, vm: VmRef, key: string): Promise<void> {
  return session.change('VM.remove_from_other_config', [vm, key], nothing);
}

/** Removes a halted VM with its devices; its disks stay. */
export async function startVmDestroy(session: XapiCaller, vm: VmRef): Promise<StartedTask<void>> {
  return { task: await session.change('Async.VM.destroy', [vm], taskRef), result: nothing };
}
