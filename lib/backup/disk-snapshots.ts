/** The snapshots that a disk has on the host, and which of them a run made without learning of it. */

import type { DiskId, RunId, VmId } from '#lib/units.ts';
import { ObjectGone } from '#lib/xapi/failures.ts';
import type { XapiCaller } from '#lib/xapi/session.ts';
import { readVbd } from '#lib/xapi/vbd.ts';
import { findVdi, readVdi, type VdiRecord } from '#lib/xapi/vdi.ts';
import { findVm, readVm } from '#lib/xapi/vm.ts';
import type { VdiRef } from '#lib/xapi/wire-types.ts';
import { isMarked, markOf } from './snapshot-mark.ts';

export type ListedVdi = VdiRecord & { readonly ref: VdiRef };

/** Undefined when the host has no such disk any more. */
export async function findVdiRecord(session: XapiCaller, uuid: DiskId): Promise<ListedVdi | undefined> {
  try {
    const ref = await findVdi(session, uuid);
    return { ...(await readVdi(session, ref)), ref };
  } catch (failure) {
    if (failure instanceof ObjectGone) return undefined;
    throw failure;
  }
}

/** None for a disk that is gone; a snapshot that goes meanwhile is left out. */
export async function snapshotsOf(session: XapiCaller, disk: DiskId): Promise<readonly ListedVdi[]> {
  const live = await findVdiRecord(session, disk);
  const found: ListedVdi[] = [];
  for (const ref of live?.snapshots ?? []) {
    try {
      found.push({ ...(await readVdi(session, ref)), ref });
    } catch (failure) {
      if (!(failure instanceof ObjectGone)) throw failure;
    }
  }
  return found;
}

export interface Asking {
  readonly vault: string;
  readonly run: RunId;
  /** Snapshots that were there before the run asked for its own. */
  readonly known: readonly DiskId[];
}

/**
 * Whether a run that has asked for a snapshot may have made this one: it bears the run's mark, or it is new, nobody has
 * marked it, and it belongs to no snapshot VM. Other backup tools snapshot whole VMs, so theirs have a VBD.
 */
export function mayBeFrom(record: VdiRecord, { vault, run, known }: Asking): boolean {
  if (isMarked(record)) return markOf(record, vault)?.run === run;
  return record.isSnapshot && !known.includes(record.uuid) && record.vbds.length === 0;
}

/** Disks that are attached to the VM now; none when the VM is gone. */
export async function attachedDisks(session: XapiCaller, vm: VmId): Promise<readonly DiskId[]> {
  const found: DiskId[] = [];
  try {
    for (const ref of (await readVm(session, await findVm(session, vm))).vbds) {
      const { vdi } = await readVbd(session, ref);
      if (vdi !== null) found.push((await readVdi(session, vdi)).uuid);
    }
  } catch (failure) {
    if (!(failure instanceof ObjectGone)) throw failure;
  }
  return found;
}
