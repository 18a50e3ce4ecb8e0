/**
 * How VHD files stand on each other. A snapshot makes a hidden parent of the disk's file and two children of it:
 *
 *   before      one snapshot        two                       the first one removed    coalesced
 *
 *   [live]      [base 1]            [base 1]                  [base 1]                 [base 2]
 *                |      \            |      \                  |                        |      \
 *              [live]  [snap 1]    [base 2] [snap 1]         [base 2]                 [live]  [snap 2]
 *                                   |      \                  |      \
 *                                 [live]  [snap 2]          [live]  [snap 2]
 *
 * `sm_config` names the parent as `vhd-parent`; the parents are VDIs that are not managed. A parent with one child is
 * waste that the host removes when it finds the time, and until then the chain stays as long as it is. Unlike a real
 * host this one adds a link also for a disk that was not written to since its last snapshot.
 */

import { randomUUID } from 'node:crypto';
import { backendFailure } from '#sim/api/api-error.ts';
import type { Ref } from '#sim/database/database.ts';
import type { World } from '#sim/world.ts';

/** Files of a chain beyond which the storage manager refuses another snapshot. */
export const MAX_CHAIN_FILES = 30;

const PARENT = 'vhd-parent';
const VHD_TYPES: readonly string[] = ['ext', 'nfs', 'lvm'];

/** Files from the disk's own to the first parent, both counted. */
export function chainFiles({ db: { VDI } }: World, vdi: Ref): number {
  let files = 1;
  for (let next = parentOf(VDI.get(vdi)); next !== undefined; files += 1) next = parentOf(VDI.get(VDI.byUuid(next)));
  return files;
}

export function requireShortChain(world: World, vdi: Ref): void {
  if (chainFiles(world, vdi) >= MAX_CHAIN_FILES) {
    throw backendFailure(109, 'The snapshot chain is too long', 'Snapshot chain too long');
  }
}

/** Puts a new hidden parent under a disk and its new copy, in the place where the disk's file was. */
export function fork(world: World, original: Ref, copy: Ref): void {
  const { VDI, SR } = world.db;
  const { SR: sr, virtual_size, sm_config } = VDI.get(original);
  // A parent on another storage repository would be collected there, where nobody knows of this child.
  if (!VHD_TYPES.includes(SR.get(sr).type) || VDI.get(copy).SR !== sr) return;
  const uuid = randomUUID();
  VDI.create({
    uuid,
    location: uuid,
    name_label: 'base copy',
    SR: sr,
    virtual_size,
    managed: false,
    read_only: true,
    sm_config,
  });
  for (const child of [original, copy]) {
    VDI.update(child, { sm_config: { ...VDI.get(child).sm_config, [PARENT]: uuid } });
  }
}

/** The disk has no file in the chain any more; what that leaves over is collected later. */
export function leaveChain(world: World, vdi: Ref): void {
  const { VDI } = world.db;
  const { SR: sr, sm_config } = VDI.get(vdi);
  const { [PARENT]: parent, ...others } = sm_config;
  if (parent === undefined) return;
  VDI.update(vdi, { sm_config: others });
  world.coalescingSince.set(sr, world.clock.now().getTime());
}

/** What the host's garbage collector does with storage that has been quiet for its while. */
export function collectChains(world: World): void {
  if (world.faults.coalescingStalled) return;
  for (const [sr, sinceMs] of world.coalescingSince) {
    if (world.clock.now().getTime() - sinceMs < world.timings.coalesceAfterMs || world.srOperations.has(sr)) continue;
    world.coalescingSince.delete(sr);
    coalesce(world, sr);
  }
}

/** Removes parents without children and joins those that have one, until each has two. */
function coalesce({ db: { VDI } }: World, sr: Ref): void {
  const disks = VDI.where((vdi) => vdi.SR === sr);
  const children = Map.groupBy(disks, (ref) => parentOf(VDI.get(ref)));
  const hidden = disks.filter((ref) => !VDI.get(ref).managed);
  // A parent is always older than its children, so that this order goes from the disks down.
  for (const base of hidden.toReversed()) {
    const below = parentOf(VDI.get(base));
    const [only, second] = children.get(VDI.get(base).uuid) ?? [];
    if (second !== undefined) continue;
    const siblings = (children.get(below) ?? []).filter((ref) => ref !== base);
    if (only !== undefined) {
      const { [PARENT]: _, ...others } = VDI.get(only).sm_config;
      VDI.update(only, { sm_config: below === undefined ? others : { ...others, [PARENT]: below } });
      siblings.push(only);
    }
    children.set(below, siblings);
    VDI.delete(base);
  }
}

function parentOf({ sm_config }: { readonly sm_config: Readonly<Record<string, string>> }): string | undefined {
  return sm_config[PARENT];
}
