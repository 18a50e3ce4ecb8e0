/**
 * Restores a disk to a new disk of a host.
 *
 * ```
 *  VDI.create, named as incomplete -> transfers -> VDI.set_name_label
 *                                        |  failure
 *                                        '-------------> VDI.destroy
 * ```
 *
 * A disk whose restore was killed keeps the name that says so, and the point it was to become in other_config.
 */

import { Failure } from '#lib/failure.ts';
import type { DiskId } from '#lib/units.ts';
import type { DiskContent } from '#lib/vault/disk-content.ts';
import { findSr } from '#lib/xapi/sr.ts';
import { taskResult, waitForTask } from '#lib/xapi/task.ts';
import { readVdi, setVdiNameLabel, startVdiCreate } from '#lib/xapi/vdi.ts';
import type { VdiRef } from '#lib/xapi/wire-types.ts';
import { destroyHostDisk, type HostAccess, HostDisk } from './host-disk.ts';
import { type RestoreOptions, type RestoreProgress, restoreDisk } from './restore-disk.ts';

/** Storage calls of a busy host take minutes. */
const CREATE_DEADLINE_MS = 600_000;

/** The restore failed, and so did destroying the disk it had begun: somebody has to remove that. */
export class UnfinishedDiskLeft extends Failure {
  static override readonly failureName = 'UnfinishedDiskLeft';
}

export interface NewHostDisk {
  /** UUID of the storage repository. */
  readonly sr: string;
  readonly nameLabel: string;
}

export interface RestoredHostDisk extends RestoreProgress {
  readonly vdi: DiskId;
}

/** Everything or nothing: damage of the vault, too, ends with the disk destroyed. */
export async function restoreToHost(
  content: DiskContent,
  { access, disk }: { readonly access: HostAccess; readonly disk: NewHostDisk },
  options: Pick<RestoreOptions, 'onProgress'> = {},
): Promise<RestoredHostDisk> {
  const { session, signal } = access;
  const vdi = await createDisk(content, access, disk);
  try {
    const target = new HostDisk(access, vdi);
    const done = await restoreDisk(content, target, { ...options, ...(signal === undefined ? {} : { signal }) });
    await target.finish();
    await setVdiNameLabel(session, vdi, disk.nameLabel);
    return { ...done, vdi: (await readVdi(session, vdi)).uuid };
  } catch (failure) {
    await destroyAfter(failure, access, vdi);
    throw failure;
  }
}

async function createDisk(content: DiskContent, access: HostAccess, { sr, nameLabel }: NewHostDisk): Promise<VdiRef> {
  const { session, clock } = access;
  const { disk, seq } = content.entry;
  const started = await startVdiCreate(session, {
    nameLabel: `[incomplete restore] ${nameLabel}`,
    nameDescription: `Disk ${disk} at point ${seq}, restored by Blockferry`,
    sr: await findSr(session, sr),
    virtualBytes: content.diskBytes,
    tags: [],
    otherConfig: { 'blockferry:restored-from': `${disk}/${seq}` },
  });
  return taskResult(
    await waitForTask(session, started, { clock, deadlineMs: CREATE_DEADLINE_MS }),
    'Creating the disk',
  );
}

async function destroyAfter(first: unknown, access: HostAccess, vdi: VdiRef): Promise<void> {
  try {
    await destroyHostDisk(access, vdi);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const why = first instanceof Error ? first.message : String(first);
    throw new UnfinishedDiskLeft(
      `The restore failed (${why}), and the disk "[incomplete restore] ..." that it had begun could not be destroyed ` +
        `(${reason}); remove that disk`,
      { cause },
    );
  }
}
