/** Makes a VM on a host from the metadata of a point and disks that are in place. */

import { DamagedObject } from '#lib/format/failures.ts';
import { sha256Of } from '#lib/format/manifest.ts';
import type { NamedPoint } from '#lib/restore/points.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { type DiskId, parseDiskId } from '#lib/units.ts';
import { ObjectGone, UnexpectedReply } from '#lib/xapi/failures.ts';
import { readAllNetworks } from '#lib/xapi/network.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { findSr } from '#lib/xapi/sr.ts';
import { readVbd } from '#lib/xapi/vbd.ts';
import { readAllVms, readVm } from '#lib/xapi/vm.ts';
import { importedVms, importVmMetadata } from '#lib/xapi/vm-metadata.ts';
import type { VmRef } from '#lib/xapi/wire-types.ts';
import { NoVmMetadata, VmImportedWrongly, VmStillThere } from './failures.ts';
import { type HostAccess, HostTransfers } from './host-transfer.ts';
import { beginningMark, completeName, incompleteName } from './restore-marks.ts';
import { type RestoredDisk, removeImportedVms } from './restored-objects.ts';
import { type DescribedVm, VmDocument } from './vm-document.ts';

export interface VmImport {
  readonly point: NamedPoint;
  /** Name of the restored VM. */
  readonly nameLabel: string;
  /** `kept`: the uuid and the MAC addresses of the VM as it was; `new`: others. */
  readonly identity: 'new' | 'kept';
}

export interface ImportedVm {
  readonly uuid: string;
  readonly nameLabel: string;
}

/** The archive that the backup kept. Throws NoVmMetadata, or DamagedObject for one that is not what was kept. */
export async function readVmArchive(store: ObjectStore, { name, point }: NamedPoint): Promise<Buffer> {
  const { metadataKey, metadataSha256 } = point;
  if (metadataKey !== undefined) {
    const archive = await store.get(metadataKey);
    if (sha256Of(archive) === (metadataSha256 ?? sha256Of(archive))) return archive;
    throw new DamagedObject(`${metadataKey} is not what was stored for point ${name}; restore its disks alone`);
  }
  throw new NoVmMetadata(
    `Point ${name} holds no metadata of ${point.vmName}, since it was made by an earlier version; restore its disks one ` +
      'by one and attach them to a new VM',
  );
}

/**
 * What the VM will lack or find different on this pool, as sentences. Throws VmStillThere; to be asked before anything
 * is made.
 */
export async function examinePool(
  session: XapiSession,
  archive: Buffer,
  { vm, disks }: { readonly vm: VmImport; readonly disks: readonly DiskId[] },
): Promise<readonly string[]> {
  const described = VmDocument.read(archive, vm.point.point.vm).describe(disks);
  const living = (await readAllVms(session)).find(({ uuid }) => uuid === described.uuid);
  if (vm.identity === 'kept' && living !== undefined) {
    throw new VmStillThere(
      `The pool has a VM ${living.nameLabel} with the uuid ${living.uuid} that the restored one is to keep; remove or ` +
        'with a new uuid and new addresses, or delete the old VM first',
    );
  }
  const storage = await storageRemarks(session, described);
  return [...(await networkRemarks(session, described)), ...storage, ...described.leftOut];
}

async function networkRemarks(session: XapiSession, { networks }: DescribedVm): Promise<string[]> {
  const known = await readAllNetworks(session);
  return networks.flatMap(({ nameLabel, bridge }) => {
    if (known.some((network) => network.nameLabel === nameLabel)) return [];
    const other = known.find((network) => network.bridge === bridge);
    return other === undefined
      ? [`network ${nameLabel} does not exist on this pool: the host makes one of that name which leads nowhere`]
      : [
          `network ${nameLabel} does not exist on this pool: the VM is connected to ${other.nameLabel}, on the same bridge`,
        ];
  });
}

async function storageRemarks(session: XapiSession, { srs }: DescribedVm): Promise<string[]> {
  const remarks: string[] = [];
  for (const { uuid, nameLabel } of srs) {
    try {
      await findSr(session, uuid);
    } catch (failure) {
      if (!(failure instanceof ObjectGone)) throw failure;
      remarks.push(`storage ${nameLabel} does not exist on this pool: its disks go to the chosen one`);
    }
  }
  return remarks;
}

export interface VmParts {
  readonly id: string;
  readonly disks: readonly RestoredDisk[];
  /** UUID of the SR that all of them are on. */
  readonly sr: string;
}

/** The VM is halted and named as incomplete; completeRestore gives it its name. Throws VmImportedWrongly. */
export async function importVm(
  access: HostAccess,
  archive: Buffer,
  { vm, parts }: { readonly vm: VmImport; readonly parts: VmParts },
): Promise<ImportedVm> {
  const { session, signal } = access;
  const { id, disks, sr } = parts;
  const { name, point } = vm.point;
  // An attempt whose answer was lost may have made the VM.
  await removeImportedVms(access, id);
  const replaced = disks.map(({ record, mark }) => ({
    from: parseDiskId(mark.from.split(' ')[0] ?? ''),
    uuid: record.uuid,
    location: record.location,
  }));
  const adapted = VmDocument.read(archive, point.vm).archiveFor(
    { disks: replaced, sr },
    { nameLabel: incompleteName(vm.nameLabel), otherConfig: beginningMark({ id, from: name }) },
  );
  const made = await new HostTransfers(access).once({
    label: `importing the metadata of ${point.vmName}`,
    send: (host, task) => importVmMetadata(host, { session, task, archive: adapted, identity: vm.identity }, signal),
    result: importedVms,
  });
  const [only, ...others] = made;
  if (only === undefined || others.length > 0) {
    throw new UnexpectedReply(`/import_metadata made ${made.length} VMs of one; look at those named as incomplete.`);
  }
  return await checkedVm(session, only, disks);
}

/** What came out is looked at by other calls than the one that made it. */
async function checkedVm(session: XapiSession, ref: VmRef, disks: readonly RestoredDisk[]): Promise<ImportedVm> {
  const { uuid, nameLabel, powerState, vbds } = await readVm(session, ref);
  const devices = await Promise.all(vbds.map((vbd) => readVbd(session, vbd)));
  const attached = devices.flatMap(({ vdi }) => (vdi === null ? [] : [vdi])).toSorted();
  const meant = disks.map(({ ref: vdi }) => vdi).toSorted();
  if (powerState === 'Halted' && attached.join() === meant.join()) return { uuid, nameLabel: completeName(nameLabel) };
  throw new VmImportedWrongly(
    `The host made the VM ${uuid} ${powerState.toLowerCase()} with ${attached.length} disks, of which ` +
      `${attached.filter((vdi) => meant.includes(vdi)).length} are restored ones; ${meant.length} were meant`,
  );
}
