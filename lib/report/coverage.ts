/** What has no backup: VMs and disks of a pool that the vault lacks, and VMs of the vault that the pool lacks. */

import { parseDocument } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { type VmPoint, vmPoint } from '#lib/format/point.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { XapiCaller } from '#lib/xapi/session.ts';
import { readAllVbds } from '#lib/xapi/vbd.ts';
import { readAllVdis } from '#lib/xapi/vdi.ts';
import { readRealVms } from '#lib/xapi/vm.ts';

export interface PoolVm {
  readonly uuid: string;
  readonly name: string;
  readonly tags: readonly string[];
  readonly disks: readonly { readonly uuid: string; readonly name: string }[];
}

export interface Gap {
  readonly kind: 'vm-without-point' | 'disk-without-point' | 'vm-gone-from-pool';
  readonly vm: string;
  readonly name: string;
  /** What is missing and, where it can be told, by whose wish. */
  readonly why: string;
}

/** VMs and disks that users of Xen Orchestra have marked already (lib/backup/find-disks.ts goes by the same marks). */
const EXCLUDED_TAG = 'xo:no-bak';
const EXCLUDED_DISK = '[NOBAK]';

/** `newest` holds the newest point of every VM of the vault; points of other pools are left alone when `pool` is named. */
export function coverageGaps(
  poolVms: readonly PoolVm[],
  newest: readonly VmPoint[],
  { pool }: { pool?: string } = {},
): Gap[] {
  const points = new Map<string, VmPoint>(newest.map((point) => [point.vm, point]));
  const known = new Set(poolVms.map(({ uuid }) => uuid));
  const gone = newest.filter(({ vm, pool: of }) => !known.has(vm) && (pool === undefined || pool === of));
  return [
    ...poolVms.flatMap((vm) => gapsOf(vm, points.get(vm.uuid))),
    ...gone.map(({ vm, vmName, time }) => ({
      kind: 'vm-gone-from-pool' as const,
      vm,
      name: vmName,
      why: `the pool has no such VM; its points stay, the newest of ${time.toISOString().slice(0, 10)}`,
    })),
  ];
}

function gapsOf({ uuid, name, tags, disks }: PoolVm, point: VmPoint | undefined): Gap[] {
  if (point === undefined) {
    const wanted = tags.includes(EXCLUDED_TAG);
    const why = wanted ? `left out by its tag ${EXCLUDED_TAG}` : 'no policy selects it, or its first run has not ended';
    return [{ kind: 'vm-without-point', vm: uuid, name, why }];
  }
  const backedUp = new Set<string>(point.disks.map(({ disk }) => disk));
  return disks
    .filter((disk) => !backedUp.has(disk.uuid))
    .map((disk) => {
      const wanted = disk.name.includes(EXCLUDED_DISK);
      const why = `disk ${disk.name} (${disk.uuid}) is not in the newest point: ${wanted ? `left out by ${EXCLUDED_DISK} in its name` : 'excluded by the policy, impossible to snapshot, or added since'}`;
      return { kind: 'disk-without-point', vm: uuid, name, why };
    });
}

/** The machines of a pool with their disks, in three calls. */
export async function readPoolVms(session: XapiCaller): Promise<PoolVm[]> {
  const vdis = new Map((await readAllVdis(session)).map((vdi) => [vdi.ref, vdi]));
  const vbds = new Map((await readAllVbds(session)).map((vbd) => [vbd.ref, vbd]));
  return (await readRealVms(session)).map(({ uuid, nameLabel, tags, vbds: refs }) => ({
    uuid,
    name: nameLabel,
    tags,
    disks: refs.flatMap((ref) => {
      const vbd = vbds.get(ref);
      const vdi = vbd?.type === 'Disk' && vbd.vdi !== null ? vdis.get(vbd.vdi) : undefined;
      return vdi === undefined ? [] : [{ uuid: vdi.uuid, name: vdi.nameLabel }];
    }),
  }));
}

const POINT_KEY = /^vms\/([0-9a-f-]{36})\/points\/\d{8}T\d{6}Z-[0-9a-f]{16}\.json$/;

/** The newest point of every VM of the vault: names come in order of time, so that one document for each is read. */
export async function readNewestPoints(store: ObjectStore): Promise<VmPoint[]> {
  const newest = new Map<string, string>();
  for await (const { key } of store.list(vaultKeys.vms())) {
    const vm = POINT_KEY.exec(key)?.[1];
    if (vm !== undefined) newest.set(vm, key);
  }
  const points: VmPoint[] = [];
  for (const key of newest.values()) points.push(parseDocument(vmPoint, await store.get(key), key));
  return points;
}
