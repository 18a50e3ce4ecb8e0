/** The use case of the state plan-restore: looks at the point and at the pool, then makes the empty disks. */

import { DiskContent } from '#lib/vault/disk-content.ts';
import { examinePool, readVmArchive } from './import-vm.ts';
import { openRestoredDisk } from './restored-objects.ts';
import {
  chosenPoint,
  openAccess,
  type RestorePorts,
  type RestoreRequest,
  restoredVmName,
  restoreIdOf,
} from './workflow-ports.ts';

/** A VM that lacks more than that is described well enough. */
const SHOWN_REMARKS = 50;

/** Called again after a failure it finds the disks that it made before, by their marks. */
export async function planRestore(ports: RestorePorts, input: RestoreRequest) {
  const { store } = ports;
  const { request } = input;
  const id = restoreIdOf(input);
  const { point, disks } = await chosenPoint(store, request);
  await using access = await openAccess(ports, request.pool);
  const contents: DiskContent[] = [];
  for (const { disk, seq } of disks) contents.push(await DiskContent.open(store, { disk, seq }));
  const remarks: string[] = [];
  if (request.as === 'vm') {
    const vm = { point, nameLabel: restoredVmName(request, point), identity: request.identity };
    const archive = await readVmArchive(store, point);
    remarks.push(...(await examinePool(access.session, archive, { vm, disks: disks.map(({ disk }) => disk) })));
  }
  for (const [i, { name }] of disks.entries()) {
    const content = contents[i];
    if (content === undefined) continue;
    const by = { pool: access.pool.name, execution: input.execution };
    await openRestoredDisk(access, content, { id, sr: request.sr, nameLabel: `${name} (restored)`, by });
  }
  const { pool } = request;
  return {
    runId: id,
    vm: point.point.vm,
    point: point.name,
    disks: disks.map(({ disk, seq }) => ({ runId: id, ...(pool === undefined ? {} : { pool }), disk, seq, calls: 0 })),
    remarks: remarks.slice(0, SHOWN_REMARKS),
  };
}
