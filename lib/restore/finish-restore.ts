/** The use case of the state finish-restore: the VM on its disks, then the names by which people know both. */

import type { PointDisk } from '#lib/format/point.ts';
import { parseVmId } from '#lib/units.ts';
import { RestoredDiskMissing } from './failures.ts';
import { importVm, readVmArchive } from './import-vm.ts';

import { completeName, isAllInPlace } from './restore-marks.ts';
import { completeRestore, type RestoredDisk, readRestored } from './restored-objects.ts';
import {
  chosenPoint,
  openAccess,
  type RestorePorts,
  type RestoreRequest,
  restoredVmName,
  restoreIdOf,
} from './workflow-ports.ts';

export interface FinishRequest extends RestoreRequest {
  readonly vm: string;
  /** The full name of the point. */
  readonly point: string;
  readonly remarks: readonly string[];
  readonly disks: readonly {
    readonly disk: string;
    readonly comparedBytes: number;
    readonly unverified?: string | undefined;
  }[];
}

/** Called again after it succeeded it reports the same once more; the last object to be named is what decides. */
export async function finishRestore(ports: RestorePorts, input: FinishRequest) {
  const { store } = ports;
  const id = restoreIdOf(input);
  const request = { ...input.request, point: input.point, vm: parseVmId(input.vm) };
  const { point, disks: wanted } = await chosenPoint(store, request);
  await using access = await openAccess(ports, request.pool);
  const before = await restoredBy(access, id);
  const disks = wanted.map((disk) => inPlace(before.disks, disk));
  const isComplete = [...before.disks, ...before.vms].every(({ mark }) => !mark.incomplete);
  const hasVm = request.as === 'disks' || before.vms.length > 0;
  if (!(isComplete && hasVm) && request.as === 'vm') {
    const vm = { point, nameLabel: restoredVmName(request, point), identity: request.identity };
    const parts = { id, disks: disks.map(({ restored }) => restored), sr: request.sr };
    await importVm(access, await readVmArchive(store, point), { vm, parts });
  }
  await completeRestore(access.session, id);
  const [vm] = (await restoredBy(access, id)).vms;
  return {
    runId: id,
    point: point.name,
    ...(vm === undefined ? {} : { restoredVm: { uuid: vm.vm.uuid, nameLabel: vm.vm.nameLabel } }),
    disks: disks.map(({ disk, restored }) => ({
      disk,
      vdi: restored.record.uuid,
      nameLabel: completeName(restored.record.nameLabel),
      ...comparisonOf(input, disk),
    })),
    remarks: [...input.remarks],
  };
}

async function restoredBy({ session }: { readonly session: Parameters<typeof readRestored>[0] }, id: string) {
  const { disks, vms } = await readRestored(session);
  return { disks: disks.filter(({ mark }) => mark.id === id), vms: vms.filter(({ mark }) => mark.id === id) };
}

function inPlace(all: readonly RestoredDisk[], { disk, diskBytes }: PointDisk) {
  const restored = all.find(({ mark }) => mark.from.startsWith(`${disk} `));
  if (restored !== undefined && (!restored.mark.incomplete || isAllInPlace(restored.mark, diskBytes))) {
    return { disk, restored };
  }
  throw new RestoredDiskMissing(
    `Disk ${disk} is not ${restored === undefined ? 'on the pool' : 'in place as a whole'}; start the restore again`,
  );
}

function comparisonOf({ disks }: FinishRequest, disk: string) {
  const compared = disks.find((each) => each.disk === disk);
  const { comparedBytes = 0, unverified } = compared ?? {};
  return { comparedBytes, ...(unverified === undefined ? {} : { unverified }) };
}
