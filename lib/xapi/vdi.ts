/** Virtual disks: their records, their snapshots, their end. */

import * as z from 'zod/mini';
import { type Bytes, type DiskId, parseDiskId } from '#lib/units.ts';
import type { XapiCaller } from './session.ts';
import type { StartedTask } from './task.ts';
import {
  integer,
  nothing,
  orNull,
  recordsByRef,
  type SrRef,
  srRef,
  taskRef,
  textMap,
  texts,
  type VdiRef,
  vbdRef,
  vdiRef,
} from './wire-types.ts';

const diskId = z.pipe(z.string().check(z.regex(/^[0-9a-f-]{36}$/)), z.transform(parseDiskId));

const vdiRecord = z.pipe(
  z.object({
    uuid: diskId,
    name_label: z.string(),
    name_description: z.string(),
    location: z.string(),
    SR: srRef,
    // `user`, `system`, `cbt_metadata` and others.
    type: z.string(),
    virtual_size: integer,
    physical_utilisation: integer,
    is_a_snapshot: z.boolean(),
    snapshot_of: orNull(vdiRef),
    snapshots: z.array(vdiRef),
    snapshot_time: z.date(),
    VBDs: z.array(vbdRef),
    sharable: z.boolean(),
    read_only: z.boolean(),
    managed: z.boolean(),
    missing: z.boolean(),
    on_boot: z.string(),
    other_config: textMap,
    sm_config: textMap,
    tags: texts,
    // Hosts before XenServer 7.3 have no such field.
    cbt_enabled: z.optional(z.boolean()),
  }),
  z.transform((wire) => ({
    uuid: wire.uuid,
    nameLabel: wire.name_label,
    nameDescription: wire.name_description,
    /** What the SR's driver calls it. */
    location: wire.location,
    sr: wire.SR,
    type: wire.type,
    virtualBytes: wire.virtual_size,
    physicalBytes: wire.physical_utilisation,
    isSnapshot: wire.is_a_snapshot,
    snapshotOf: wire.snapshot_of,
    snapshots: wire.snapshots,
    snapshotTime: wire.snapshot_time,
    vbds: wire.VBDs,
    sharable: wire.sharable,
    readOnly: wire.read_only,
    managed: wire.managed,
    missing: wire.missing,
    resetsOnBoot: wire.on_boot === 'reset',
    otherConfig: wire.other_config,
    smConfig: wire.sm_config,
    tags: wire.tags,
    cbt: cbtState(wire.cbt_enabled),
  })),
);

/**
 * A disk as the host describes it. Two fields lie at times: `type` is `cbt_metadata` for the seconds in which
 * `data_destroy` waits, and the sizes of a `cbt_metadata` disk on a file SR may be those of its log.
 */
export type VdiRecord = z.output<typeof vdiRecord>;

/** `unsupported`: the host is older than changed block tracking. */
type CbtState = 'enabled' | 'disabled' | 'unsupported';

function cbtState(enabled: boolean | undefined): CbtState {
  if (enabled === undefined) return 'unsupported';
  return enabled ? 'enabled' : 'disabled';
}

export function findVdi(session: XapiCaller, uuid: DiskId): Promise<VdiRef> {
  return session.read('VDI.get_by_uuid', [uuid], vdiRef);
}

export function readVdi(session: XapiCaller, vdi: VdiRef): Promise<VdiRecord> {
  return session.read('VDI.get_record', [vdi], vdiRecord);
}

const vdiRecords = recordsByRef(vdiRef, vdiRecord);

/** All disks of the pool, snapshots and CBT metadata included: what a sweep compares with the run records. */
export function readAllVdis(session: XapiCaller): Promise<readonly (VdiRecord & { readonly ref: VdiRef })[]> {
  return session.read('VDI.get_all_records', [], vdiRecords);
}

/**
 * Snapshots one disk; the result is the snapshot. Tags and other_config are copied from the disk: mark the snapshot as
 * ours afterwards. A run that finds no answer looks at the disk's `snapshots` before it starts another.
 */
export async function startVdiSnapshot(session: XapiCaller, vdi: VdiRef): Promise<StartedTask<VdiRef>> {
  // Driver parameters of type `single` or `internal` would leave the snapshot out of the CBT chain: always none.
  return { task: await session.change('Async.VDI.snapshot', [vdi, {}], taskRef), result: vdiRef };
}

/** Destroys data and record. A base that is destroyed cannot be compared with again. */
export async function startVdiDestroy(session: XapiCaller, vdi: VdiRef): Promise<StartedTask<void>> {
  return { task: await session.change('Async.VDI.destroy', [vdi], taskRef), result: nothing };
}

export interface NewVdi {
  readonly nameLabel: string;
  readonly nameDescription: string;
  readonly sr: SrRef;
  readonly virtualBytes: Bytes;
  readonly tags: readonly string[];
  readonly otherConfig: Readonly<Record<string, string>>;
}

/** Creates an empty disk of type `user`; the result is the disk. The SR may round its size up. */
export async function startVdiCreate(session: XapiCaller, vdi: NewVdi): Promise<StartedTask<VdiRef>> {
  const record = {
    name_label: vdi.nameLabel,
    name_description: vdi.nameDescription,
    SR: vdi.sr,
    virtual_size: String(vdi.virtualBytes),
    type: 'user',
    sharable: false,
    read_only: false,
    other_config: vdi.otherConfig,
    xenstore_data: {},
    sm_config: {},
    tags: vdi.tags,
  };
  return { task: await session.change('Async.VDI.create', [record], taskRef), result: vdiRef };
}

/** Sets one key. The host refuses to add a key that is there, so it is removed first, which is no error if it is not. */
export async function setVdiOtherConfig(
  session: XapiCaller,
  vdi: VdiRef,
  entry: { readonly key: string; readonly value: string },
): Promise<void> {
  await session.change('VDI.remove_from_other_config', [vdi, entry.key], nothing);
  await session.change('VDI.add_to_other_config', [vdi, entry.key, entry.value], nothing);
}

/** Removing a key that is not there is no error. */
export function removeVdiOtherConfig(session: XapiCaller, vdi: VdiRef, key: string): Promise<void> {
  return session.change('VDI.remove_from_other_config', [vdi, key], nothing);
}

export function setVdiNameLabel(session: XapiCaller, vdi: VdiRef, nameLabel: string): Promise<void> {
  return session.change('VDI.set_name_label', [vdi, nameLabel], nothing);
}
