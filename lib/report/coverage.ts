/** What has no backup: VMs and disks of the pools that the vault lacks, and VMs of the vault that the pools lack. */

import { EXCLUDED_DISK, EXCLUDED_VM_TAG } from '#lib/backup/exclusion-marks.ts';
import { parseDocument } from '#lib/format/document.ts';
import type { InventoryDisk, InventoryVm, PoolInventory } from '#lib/format/inventory.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { type VmPoint, vmPoint } from '#lib/format/point.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { type PolicySummary, policySelecting } from './policy.ts';

/** The newest point of a VM, as far as coverage goes by it. */
export interface CoveredVm {
  readonly vm: string;
  readonly name: string;
  readonly pool: string;
  readonly time: Date;
  readonly disks: readonly { readonly disk: string }[];
}

export type GapKind = 'not-selected' | 'no-point-yet' | 'disk-left-out' | 'gone-from-pool';

export interface Gap {
  readonly kind: GapKind;
  readonly pool: string;
  readonly vm: string;
  readonly name: string;
  /** What is missing and by whose wish. */
  readonly why: string;
}

/** Without policies a VM is judged by its points alone. Points of pools without an inventory are left alone. */
export function coverageGaps(
  inventories: readonly Pick<PoolInventory, 'pool' | 'vms'>[],
  newest: readonly CoveredVm[],
  policies?: readonly PolicySummary[],
): Gap[] {
  const covered = new Map(newest.map((point) => [point.vm, point]));
  return inventories.flatMap(({ pool, vms }) => {
    const known = new Set(vms.map(({ uuid }) => uuid));
    const gone = newest.filter((point) => point.pool === pool && !known.has(point.vm));
    return [
      ...vms.flatMap((vm) => gapsOf(vm, { pool, point: covered.get(vm.uuid), policies })),
      ...gone.map(({ vm, name, time }) => ({
        kind: 'gone-from-pool' as const,
        pool,
        vm,
        name,
        why: `the pool has no such VM; its points stay, the newest of ${time.toISOString().slice(0, 10)}`,
      })),
    ];
  });
}

interface Known {
  readonly pool: string;
  readonly point: CoveredVm | undefined;
  readonly policies: readonly PolicySummary[] | undefined;
}

function gapsOf(vm: InventoryVm, { pool, point, policies }: Known): Gap[] {
  const about = { pool, vm: vm.uuid, name: vm.name };
  const policy = policies && policySelecting(policies, vm, pool);
  const unselected = whyNotSelected(vm, policies, policy);
  if (unselected !== undefined) {
    const left = point === undefined ? 'it has no point' : `its newest point is of ${day(point.time)}`;
    return [{ kind: 'not-selected', ...about, why: `${unselected}; ${left}` }];
  }
  if (point === undefined) {
    const why =
      policy === undefined ? 'no run of it has ended' : `policy ${policy.policy} selects it, and no run has ended`;
    return [{ kind: 'no-point-yet', ...about, why }];
  }
  const backedUp = new Set(point.disks.map(({ disk }) => disk));
  return vm.disks
    .filter(({ uuid }) => !backedUp.has(uuid))
    .map((disk) => ({
      kind: 'disk-left-out',
      ...about,
      why: `${disk.name} (${disk.uuid}): ${whyLeftOut(disk, policy)}`,
    }));
}

function whyNotSelected(
  { tags }: InventoryVm,
  policies: readonly PolicySummary[] | undefined,
  policy: PolicySummary | undefined,
): string | undefined {
  if (tags.includes(EXCLUDED_VM_TAG)) return `left out by its tag ${EXCLUDED_VM_TAG}`;
  return policies !== undefined && policy === undefined ? 'no policy selects it' : undefined;
}

function whyLeftOut({ uuid, name, impossible }: InventoryDisk, policy: PolicySummary | undefined): string {
  if (name.includes(EXCLUDED_DISK)) return `left out by ${EXCLUDED_DISK} in its name`;
  if (policy?.excludeDisks?.includes(uuid)) return `left out by excludeDisks of policy ${policy.policy}`;
  return impossible ?? 'added since the newest point, or left out when that was made';
}

const day = (time: Date) => time.toISOString().slice(0, 10);

const POINT_KEY = /^vms\/([0-9a-f-]{36})\/points\/\d{8}T\d{6}Z-[0-9a-f]{16}\.json$/;

/** The newest point of every VM of the vault: names come in order of time, so that one document for each is read. */
export async function readNewestPoints(store: ObjectStore): Promise<CoveredVm[]> {
  const newest = new Map<string, string>();
  for await (const { key } of store.list(vaultKeys.vms())) {
    const vm = POINT_KEY.exec(key)?.[1];
    if (vm !== undefined) newest.set(vm, key);
  }
  const points: CoveredVm[] = [];
  for (const key of newest.values()) points.push(coveredVm(parseDocument(vmPoint, await store.get(key), key)));
  return points;
}

function coveredVm({ vm, vmName, pool, time, disks }: VmPoint): CoveredVm {
  return { vm, name: vmName, pool, time, disks };
}
