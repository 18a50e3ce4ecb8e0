/** Which VMs of a pool a policy selects; pure, so that a selection can be shown before anything runs. */

import { FleetTooLarge, NothingSelected } from './failures.ts';

/** A tag that users of Xen Orchestra have on VMs already. */
const EXCLUDED_TAG = 'xo:no-bak';

export interface Choice {
  readonly uuids: readonly string[];
  readonly names: readonly string[];
  readonly tags: readonly string[];
}

export interface Selection {
  readonly policy: string;
  readonly select: 'all' | Choice;
  readonly exclude: Choice;
}

export interface SelectableVm {
  readonly uuid: string;
  readonly nameLabel: string;
  readonly tags: readonly string[];
}

/** `missing` are uuids and names that the policy selects and no VM has. Throws NothingSelected and FleetTooLarge. */
export function selectVms(
  vms: readonly SelectableVm[],
  { policy, select, exclude }: Selection,
  maxVms: number,
): { readonly selected: readonly SelectableVm[]; readonly missing: readonly string[] } {
  const selected = vms
    .filter((vm) => isSelected({ select, exclude }, vm))
    .toSorted((a, b) => a.nameLabel.localeCompare(b.nameLabel) || a.uuid.localeCompare(b.uuid));
  if (selected.length === 0) {
    throw new NothingSelected(
      `policy ${policy} selects none of the ${vms.length} VMs of the pool; compare its lists with their names and tags`,
    );
  }
  if (selected.length > maxVms) {
    throw new FleetTooLarge(
      `policy ${policy} selects ${selected.length} VMs and a fleet run takes ${maxVms}; divide it into policies by tag`,
    );
  }
  return { selected, missing: select === 'all' ? [] : missingFrom(vms, select) };
}

/** Whether a policy backs the VM up. */
export function isSelected({ select, exclude }: Pick<Selection, 'select' | 'exclude'>, vm: SelectableVm): boolean {
  if (isIn(exclude, vm) || vm.tags.includes(EXCLUDED_TAG)) return false;
  return select === 'all' || isIn(select, vm);
}

function isIn({ uuids, names, tags }: Choice, vm: SelectableVm): boolean {
  return uuids.includes(vm.uuid) || names.includes(vm.nameLabel) || vm.tags.some((tag) => tags.includes(tag));
}

function missingFrom(vms: readonly SelectableVm[], { uuids, names }: Choice): string[] {
  const existing = new Set(vms.flatMap((vm): string[] => [vm.uuid, vm.nameLabel]));
  return [...uuids, ...names].filter((wanted) => !existing.has(wanted));
}

/** How many VMs may be read at a time when each has `readers` connections to the host. */
export function vmsAtOnce({ connections, readers }: { connections: number; readers: number }): number {
  return Math.max(1, Math.floor(connections / readers));
}
