/** Takes the inventories of the pools from their hosts, for the report to read back. */

import { whyNoSnapshot } from '#lib/backup/find-disks.ts';
import { openHostSession, type Pools } from '#lib/backup/host-access.ts';
import type { Clock } from '#lib/clock.ts';
import { Failure } from '#lib/failure.ts';
import { encodeDocument, HEAD } from '#lib/format/document.ts';
import type { InventoryVm } from '#lib/format/inventory.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { XapiCaller } from '#lib/xapi/session.ts';
import { readAllVbds } from '#lib/xapi/vbd.ts';
import { readAllVdis } from '#lib/xapi/vdi.ts';
import { readRealVms } from '#lib/xapi/vm.ts';

export interface InventoryPorts {
  readonly store: ObjectStore;
  readonly pools: Pools;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Answers with the number of VMs. A pool that cannot be asked keeps no other from being asked, and its last inventory
 * stays; the first failure is thrown when all have been tried.
 */
export async function takeInventories(ports: InventoryPorts, poolNames: readonly string[]): Promise<{ vms: number }> {
  const { store, clock } = ports;
  let vms = 0;
  let first: Failure | undefined;
  for (const pool of poolNames) {
    try {
      await using session = await openHostSession(ports.pools.named(pool), undefined, ports);
      const found = await readPoolVms(session);
      await store.put(vaultKeys.inventory(pool), encodeDocument({ ...HEAD, pool, time: clock.now(), vms: found }));
      vms += found.length;
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      first ??= failure;
    }
  }
  if (first !== undefined) throw first;
  return { vms };
}

/** The machines of a pool with their disks, in three calls. */
export async function readPoolVms(session: XapiCaller): Promise<InventoryVm[]> {
  const vdis = new Map((await readAllVdis(session)).map((vdi) => [vdi.ref, vdi]));
  const vbds = new Map((await readAllVbds(session)).map((vbd) => [vbd.ref, vbd]));
  return (await readRealVms(session)).map(({ uuid, nameLabel, tags, vbds: refs }) => ({
    uuid,
    name: nameLabel,
    tags: [...tags],
    disks: refs.flatMap((ref) => {
      const vbd = vbds.get(ref);
      const vdi = vbd?.type === 'Disk' && vbd.vdi !== null ? vdis.get(vbd.vdi) : undefined;
      if (vdi === undefined) return [];
      const impossible = whyNoSnapshot(vdi);
      const disk = { uuid: vdi.uuid, name: vdi.nameLabel, allocatedBytes: vdi.physicalBytes };
      return [{ ...disk, ...(impossible === undefined ? {} : { impossible }) }];
    }),
  }));
}
