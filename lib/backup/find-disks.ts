/** Which disks of a VM are backed up, and whether the host can track their changes. */

import type { VmId } from '#lib/units.ts';
import { type PoolRecord, readPool } from '#lib/xapi/pool.ts';
import type { XapiCaller } from '#lib/xapi/session.ts';
import { readSr, readSrTypesWithCbt, type SrRecord } from '#lib/xapi/sr.ts';
import { readVbd, type VbdRecord } from '#lib/xapi/vbd.ts';
import { readVdi, type VdiRecord } from '#lib/xapi/vdi.ts';
import { findVm, readVm, type VmRecord } from '#lib/xapi/vm.ts';
import { EXCLUDED_DISK, EXCLUDED_VM_TAG } from './exclusion-marks.ts';
import { NothingToBackUp } from './failures.ts';
import type { RunDisk, RunRecord } from './run-record.ts';
import { requireRoom } from './storage-room.ts';

export interface FoundVm {
  readonly vmName: string;
  readonly disks: readonly RunDisk[];
  /** Disks that no host can back up, with the reason. */
  readonly skipped: RunRecord['skipped'];
}

/**
 * Throws ObjectGone for an unknown VM, NothingToBackUp when nothing is left after the exclusions, and StorageNearlyFull
 * or ChainNearLimit where snapshots would do harm.
 */
export async function findDisks(
  session: XapiCaller,
  { vm, excluded }: { vm: VmId; excluded: readonly string[] },
): Promise<FoundVm> {
  const record = await readVm(session, await findVm(session, vm));
  if (record.tags.includes(EXCLUDED_VM_TAG)) {
    throw new NothingToBackUp(`VM ${vm} (${record.nameLabel}) has the tag ${EXCLUDED_VM_TAG}; remove it to back it up`);
  }
  const tracking = { pool: await readPool(session), types: await readSrTypesWithCbt(session) };
  const disks: RunDisk[] = [];
  const skipped: RunRecord['skipped'] = [];
  for (const { vbd, vdi } of await attachedDisks(session, record)) {
    if (vdi.nameLabel.includes(EXCLUDED_DISK) || excluded.includes(vdi.uuid)) continue;
    const impossible = whyNoSnapshot(vdi);
    if (impossible !== undefined) {
      skipped.push({ disk: vdi.uuid, why: impossible });
      continue;
    }
    const sr = await readSr(session, vdi.sr);
    await requireRoom(session, { vdi, sr });
    const untracked = whyUntracked(vdi, sr, tracking);
    disks.push({
      disk: vdi.uuid,
      name: vdi.nameLabel,
      device: vbd.userDevice,
      bootable: vbd.bootable,
      sr: sr.uuid,
      ...(untracked === undefined ? {} : { untracked }),
      trackedBefore: vdi.cbt === 'enabled',
      progress: { step: 'found' },
    });
  }
  if (disks.length === 0) {
    throw new NothingToBackUp(`VM ${vm} (${record.nameLabel}) has no disk that is not excluded; check the exclusions`);
  }
  return { vmName: record.nameLabel, disks, skipped };
}

async function attachedDisks(
  session: XapiCaller,
  vm: VmRecord,
): Promise<{ readonly vbd: VbdRecord; readonly vdi: VdiRecord }[]> {
  const found: { vbd: VbdRecord; vdi: VdiRecord }[] = [];
  for (const ref of vm.vbds) {
    const vbd = await readVbd(session, ref);
    if (vbd.type !== 'Disk' || vbd.empty || vbd.vdi === null) continue;
    found.push({ vbd, vdi: await readVdi(session, vbd.vdi) });
  }
  return found.sort((a, b) => Number(a.vbd.userDevice) - Number(b.vbd.userDevice));
}

/** Why no host can back the disk up, with the cure; undefined for disks that can be. */
export function whyNoSnapshot(vdi: VdiRecord): string | undefined {
  if (vdi.sharable) return `${vdi.nameLabel} is shared between VMs, and shared disks have no snapshots; exclude it`;
  if (vdi.resetsOnBoot) return `${vdi.nameLabel} is reset whenever its VM boots; exclude it`;
  return undefined;
}

function whyUntracked(
  vdi: VdiRecord,
  sr: SrRecord,
  { pool, types }: { pool: PoolRecord; types: ReadonlySet<string> },
): RunDisk['untracked'] {
  if (vdi.cbt === 'enabled') return undefined;
  if (vdi.cbt === 'unsupported') {
    return { because: 'host-without-cbt', cure: 'Upgrade the host to XenServer 7.3 or XCP-ng 8 or later.' };
  }
  if (!types.has(sr.type)) {
    return {
      because: 'sr-without-cbt',
      cure: `Move the disk from ${sr.nameLabel} (${sr.type}) to a storage repository with changed block tracking.`,
    };
  }
  if (pool.cbtRestricted) {
    return { because: 'licence', cure: 'The licence of the pool has no changed block tracking; upgrade the licence.' };
  }
  return undefined;
}
