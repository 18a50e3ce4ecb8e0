/**
 * What a restore makes on a host, from its beginning to its end.
 *
 * ```
 *   VDI.create, marked and named incomplete --> pieces written --> [VM imported, marked likewise] --> complete
 *        |                                          |                         |
 *        '--------------- failure ------------------'-------------------------'--> all of the restore removed
 * ```
 *
 * The last object to be completed decides: as long as one of a restore's objects is incomplete, all of them are.
 */

import type { GrainIndex } from '#lib/units.ts';
import type { DiskContent } from '#lib/vault/disk-content.ts';
import { AnswerLost, AnswerOverdue, HostUnreachable, VdiInUse } from '#lib/xapi/failures.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { findSr } from '#lib/xapi/sr.ts';
import { type StartedTask, taskResult, unlessGone, waitForTask } from '#lib/xapi/task.ts';
import {
  readAllVdis,
  readVdi,
  removeVdiOtherConfig,
  setVdiNameLabel,
  setVdiOtherConfig,
  startVdiCreate,
  startVdiDestroy,
  type VdiRecord,
} from '#lib/xapi/vdi.ts';
import { type ListedVm, readAllVms, removeVmOtherConfig, setVmNameLabel, startVmDestroy } from '#lib/xapi/vm.ts';
import type { VdiRef } from '#lib/xapi/wire-types.ts';
import { UnfinishedRestoreLeft } from './failures.ts';
import type { HostAccess } from './host-transfer.ts';
import {
  beginningMark,
  completeName,
  GRAINS_KEY,
  INCOMPLETE_KEY,
  incompleteName,
  originOf,
  type RestoreMark,
  type RestoringExecution,
  restoreMarkOf,
} from './restore-marks.ts';

/** Storage calls of a busy host take minutes. */
const TASK_DEADLINE_MS = 600_000;
/** The host detaches the disk of a broken transfer some time after it noticed: a minute and more. */
const MAX_REMOVAL_ATTEMPTS = 24;
const PAUSE_MS = 5_000;

export interface RestoredDisk {
  readonly ref: VdiRef;
  readonly record: VdiRecord;
  readonly mark: RestoreMark;
}

export interface RestoredVm {
  readonly vm: ListedVm;
  readonly mark: RestoreMark;
}

export interface NewDisk {
  /** Id of the restore. */
  readonly id: string;
  /** UUID of the storage repository. */
  readonly sr: string;
  /** Its name once it is complete. */
  readonly nameLabel: string;
  /** Absent: a person restores it, by a command. */
  readonly by?: RestoringExecution;
}

/** All that restores have made and that still bears their marks. Snapshots bear copies of them and do not count. */
export async function readRestored(session: XapiSession): Promise<{ disks: RestoredDisk[]; vms: RestoredVm[] }> {
  const disks = (await readAllVdis(session)).flatMap(({ ref, ...record }) => {
    const mark = record.isSnapshot ? undefined : restoreMarkOf(record.otherConfig);
    return mark === undefined ? [] : [{ ref, record, mark }];
  });
  const vms = (await readAllVms(session)).flatMap((vm) => {
    const mark = vm.isSnapshot ? undefined : restoreMarkOf(vm.otherConfig);
    return mark === undefined ? [] : [{ vm, mark }];
  });
  return { disks, vms };
}

/** The disk of this restore for this content, made unless an earlier attempt has. */
export async function openRestoredDisk(
  access: HostAccess,
  content: DiskContent,
  { id, sr, nameLabel, by }: NewDisk,
): Promise<RestoredDisk> {
  const { session } = access;
  const from = originOf(content);
  const { disks } = await readRestored(session);
  const begun = disks.find(({ mark }) => mark.id === id && mark.from === from && mark.incomplete);
  if (begun !== undefined) return begun;
  const { disk, seq } = content.entry;
  const started = await startVdiCreate(session, {
    nameLabel: incompleteName(nameLabel),
    nameDescription: `Disk ${disk} at point ${seq}, restored by Blockferry`,
    sr: await findSr(session, sr),
    virtualBytes: content.diskBytes,
    tags: [],
    otherConfig: beginningMark({ id, from, ...(by === undefined ? {} : { by }) }),
  });
  const ref = await ended(access, started, 'Creating the disk');
  const record = await readVdi(session, ref);
  return { ref, record, mark: { id, from, incomplete: true, nextGrain: 0 } };
}

/** From now on a repeated attempt begins at this grain. */
export function keepProgress(session: XapiSession, { ref }: RestoredDisk, nextGrain: GrainIndex): Promise<void> {
  return setVdiOtherConfig(session, ref, { key: GRAINS_KEY, value: String(nextGrain) });
}

/**
 * Gives every object of the restore its name, the VM last: it is what people look at. The mark goes after the name, so
 * that a failure between the two ends with everything removed rather than with a whole VM that is named as incomplete.
 */
export async function completeRestore(session: XapiSession, id: string): Promise<void> {
  const { disks, vms } = await readRestored(session);
  for (const { ref, record, mark } of disks) {
    if (mark.id !== id || !mark.incomplete) continue;
    await setVdiNameLabel(session, ref, completeName(record.nameLabel));
    await removeVdiOtherConfig(session, ref, INCOMPLETE_KEY);
    await removeVdiOtherConfig(session, ref, GRAINS_KEY);
  }
  for (const { vm, mark } of vms) {
    if (mark.id !== id || !mark.incomplete) continue;
    await setVmNameLabel(session, vm.ref, completeName(vm.nameLabel));
    await removeVmOtherConfig(session, vm.ref, INCOMPLETE_KEY);
  }
}

/** Removes what an unfinished restore has made, and nothing of a complete one. Answers with the number of objects. */
export async function removeIncomplete(access: HostAccess, id: string): Promise<number> {
  const { disks, vms } = await readRestored(access.session);
  const ownVms = vms.filter(({ mark }) => mark.id === id);
  const ownDisks = disks.filter(({ mark }) => mark.id === id);
  if (![...ownVms, ...ownDisks].some(({ mark }) => mark.incomplete)) return 0;
  for (const { vm } of ownVms) await removed(access, () => startVmDestroy(access.session, vm.ref));
  for (const { ref } of ownDisks) await removed(access, () => startVdiDestroy(access.session, ref));
  return ownVms.length + ownDisks.length;
}

/** Removes the VMs of a restore that an import left behind before it is tried again. */
export async function removeImportedVms(access: HostAccess, id: string): Promise<void> {
  for (const { vm, mark } of (await readRestored(access.session)).vms) {
    if (mark.id === id && mark.incomplete) await removed(access, () => startVmDestroy(access.session, vm.ref));
  }
}

/** The clean-up does not listen to the signal that ended the restore. */
async function removed(access: HostAccess, start: () => Promise<StartedTask<void>>): Promise<void> {
  const { session, otherHosts, clock } = access;
  for (let attempt = 1; ; attempt++) {
    try {
      await unlessGone(start().then((task) => ended({ session, otherHosts, clock }, task, 'Removing it')));
      return;
    } catch (failure) {
      const mayHelp =
        failure instanceof VdiInUse ||
        failure instanceof HostUnreachable ||
        failure instanceof AnswerLost ||
        failure instanceof AnswerOverdue;
      if (!mayHelp || attempt >= MAX_REMOVAL_ATTEMPTS) throw failure;
      await clock.sleep(PAUSE_MS);
    }
  }
}

async function ended<T>(access: HostAccess, started: StartedTask<T>, what: string): Promise<T> {
  const { session, clock, signal } = access;
  const wait = { clock, deadlineMs: TASK_DEADLINE_MS, ...(signal === undefined ? {} : { signal }) };
  return taskResult(await waitForTask(session, started, wait), what);
}

/** Removes what a failed restore has made; the caller's error stays the one that counts. */
export async function removeAfter(first: unknown, access: HostAccess, id: string): Promise<void> {
  try {
    await removeIncomplete(access, id);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const why = first instanceof Error ? first.message : String(first);
    throw new UnfinishedRestoreLeft(
      `The restore failed (${why}), and what it had begun could not be removed (${reason}); run the same command again ` +
        'to go on, or remove what is named "[incomplete restore] ..."',
      { cause },
    );
  }
}
