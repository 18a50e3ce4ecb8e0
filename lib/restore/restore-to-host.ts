/** Restores disks of a point, or the whole VM, to a host in one process. The workflow does the same in steps. */

import type { Bytes, DiskId } from '#lib/units.ts';
import type { DiskContent } from '#lib/vault/disk-content.ts';
import { findSr } from '#lib/xapi/sr.ts';
import type { HostAccess } from './host-transfer.ts';
import { type ImportedVm, importVm, type VmImport } from './import-vm.ts';
import { openRestored, type RestoredExport, readBack } from './read-back.ts';
import type { RestoreProgress } from './restore-disk.ts';
import { originOf } from './restore-marks.ts';
import { completeRestore, openRestoredDisk, type RestoredDisk, readRestored, removeAfter } from './restored-objects.ts';
import { writePieces } from './write-pieces.ts';

/** Only restores of this kind are gone on with: a workflow may be at work on one of its own. */
const ID_PREFIX = 'cli-';

export interface HostRestore {
  /** Unpredictable; used unless an interrupted restore of the same is gone on with. */
  readonly id: string;
  /** UUID of the storage repository of the new disks. */
  readonly sr: string;
  readonly disks: readonly { readonly content: DiskContent; readonly nameLabel: string }[];
  /** Absent: the disks alone. */
  readonly vm?: VmImport & { readonly archive: Buffer };
  /** Present: the disks are read back over NBD before they count as restored. */
  readonly readBack?: Pick<RestoredExport, 'pool' | 'connect'>;
}

export interface RestoredToHost extends RestoreProgress {
  readonly vdis: readonly DiskId[];
  readonly vm?: ImportedVm;
  readonly comparedBytes: Bytes;
}

/** Everything or nothing: damage of the vault, too, ends with all of it removed. A killed restore is gone on with. */
export async function restoreToHost(
  access: HostAccess,
  restore: HostRestore,
  onProgress: (progress: RestoreProgress) => void = () => undefined,
): Promise<RestoredToHost> {
  const id = (await interruptedRestore(access, restore)) ?? `${ID_PREFIX}${restore.id}`;
  try {
    const { disks, ...progress } = await writeDisks(access, { ...restore, id }, onProgress);
    const comparedBytes = await readDisksBack(access, restore, disks);
    const parts = { id, disks, sr: restore.sr };
    const { vm } = restore;
    const imported = vm === undefined ? undefined : await importVm(access, vm.archive, { vm, parts });
    await completeRestore(access.session, id);
    const vdis = disks.map(({ record }) => record.uuid);
    return { ...progress, vdis, comparedBytes, ...(imported === undefined ? {} : { vm: imported }) };
  } catch (failure) {
    await removeAfter(failure, access, id);
    throw failure;
  }
}

/** The id of a restore of any of these disks to this storage whose process died. */
async function interruptedRestore({ session }: HostAccess, { sr, disks }: HostRestore): Promise<string | undefined> {
  const wanted = new Set(disks.map(({ content }) => originOf(content)));
  const storage = await findSr(session, sr);
  const found = (await readRestored(session)).disks.find(
    ({ record, mark }) =>
      mark.incomplete && mark.id.startsWith(ID_PREFIX) && wanted.has(mark.from) && record.sr === storage,
  );
  return found?.mark.id;
}

/** One disk after the other: the link to the host carries no more than one writes. */
async function writeDisks(
  access: HostAccess,
  { id, sr, disks }: HostRestore,
  onProgress: (progress: RestoreProgress) => void,
): Promise<RestoreProgress & { readonly disks: readonly RestoredDisk[] }> {
  const all = { doneBytes: 0, writtenBytes: 0, dataBytes: 0, diskBytes: 0 };
  for (const { content } of disks) {
    all.dataBytes += content.dataBytes;
    all.diskBytes += content.diskBytes;
  }
  const begun: RestoredDisk[] = [];
  // All of them are made first, so that a lack of space shows before anything is sent.
  for (const { content, nameLabel } of disks) {
    begun.push(await openRestoredDisk(access, content, { id, sr, nameLabel }));
  }
  for (const [i, disk] of begun.entries()) {
    const content = disks[i]?.content;
    if (content === undefined) continue;
    const report = ({ doneBytes, writtenBytes }: RestoreProgress) =>
      onProgress({ ...all, doneBytes: all.doneBytes + doneBytes, writtenBytes: all.writtenBytes + writtenBytes });
    const written = await writePieces(content, { access, disk }, { onProgress: report });
    all.doneBytes += written.doneBytes;
    all.writtenBytes += written.writtenBytes;
  }
  return { ...all, disks: begun };
}

async function readDisksBack(
  { session, signal = new AbortController().signal }: HostAccess,
  { disks, readBack: over }: HostRestore,
  restored: readonly RestoredDisk[],
): Promise<Bytes> {
  let comparedBytes = 0;
  if (over === undefined) return comparedBytes;
  for (const [i, { record }] of restored.entries()) {
    const content = disks[i]?.content;
    if (content === undefined) continue;
    const source = await openRestored(session, { ...over, vdi: record.uuid, signal });
    try {
      comparedBytes += (await readBack(content, source, { signal })).comparedBytes;
    } finally {
      await source.close();
    }
  }
  return comparedBytes;
}
