/**
 * The metadata of a VM as a point keeps it, and what of it goes to a host: the VM with exactly the disks that were
 * restored, in the place of those that it had.
 *
 * ```
 *   VM <-- VBD --> VDI --> SR           kept for restored disks: VDI and SR are rewritten to those of the new disk,
 *    ^---- VIF --> network              which is how a host finds the disk; CD drives come back empty
 * ```
 *
 * Everything else stays out: snapshots, and disks that the point does not hold. On its old pool a host would otherwise
 * give the restored VM the very disks that the living one writes to, and on another pool refuse the whole import.
 */

import { DamagedObject } from '#lib/format/failures.ts';
import type { DiskId, VmId } from '#lib/units.ts';
import {
  arrayElements,
  memberOf,
  memberText,
  parseValueTree,
  setArrayElements,
  setMemberFlag,
  setMemberText,
  writeValueTree,
  type XmlNode,
} from '#lib/xapi/value-tree.ts';
import { readOvaArchive, writeOvaArchive } from './ova-archive.ts';

const NULL_REFERENCE = 'OpaqueRef:NULL';

/** Classes that describe the pool around the VM and are not needed to make it. */
const SURROUNDINGS: ReadonlySet<string> = new Set(['host', 'VM_guest_metrics', 'VM_metrics', 'GPU_group', 'USB_group']);

/** A new disk in the place of one that the VM had. */
export interface ReplacedDisk {
  readonly from: DiskId;
  readonly uuid: DiskId;
  readonly location: string;
}

/** What the VM is made of on its new pool. */
export interface RestoredParts {
  readonly disks: readonly ReplacedDisk[];
  /** UUID of the SR that all of them are on. */
  readonly sr: string;
}

export interface DescribedVm {
  readonly uuid: string;
  readonly nameLabel: string;
  readonly networks: readonly { readonly nameLabel: string; readonly bridge: string }[];
  readonly srs: readonly { readonly uuid: string; readonly nameLabel: string }[];
  /** Sentences about what an import of the given disks leaves out. */
  readonly leftOut: readonly string[];
}

interface ExportedObject {
  readonly element: XmlNode;
  readonly className: string;
  readonly id: string;
  readonly fields: XmlNode;
}

export class VmDocument {
  readonly #tree: XmlNode;
  readonly #objects: readonly ExportedObject[];
  readonly #vm: ExportedObject;

  private constructor(tree: XmlNode, vm: VmId) {
    this.#tree = tree;
    this.#objects = arrayElements(objectsOf(tree)).map(exportedObject);
    const found = this.#of('VM').find(({ fields }) => memberText(fields, 'uuid') === vm);
    if (found === undefined) {
      throw new DamagedObject(`The metadata of the point does not describe VM ${vm}; restore its disks alone`);
    }
    this.#vm = found;
  }

  /** Throws DamagedObject for what is no such archive or describes another VM. */
  static read(archive: Buffer, vm: VmId): VmDocument {
    return new VmDocument(parseValueTree(readOvaArchive(archive)), vm);
  }

  describe(disks: readonly DiskId[]): DescribedVm {
    const { fields } = this.#vm;
    const networks = this.#reached(this.#devices('VIF'), { by: 'network', className: 'network' });
    const srs = this.#reached(this.#keptVdis(disks), { by: 'SR', className: 'SR' });
    return {
      uuid: memberText(fields, 'uuid'),
      nameLabel: memberText(fields, 'name_label'),
      networks: networks.map((network) => ({
        nameLabel: memberText(network.fields, 'name_label'),
        bridge: memberText(network.fields, 'bridge'),
      })),
      srs: srs.map((sr) => ({ uuid: memberText(sr.fields, 'uuid'), nameLabel: memberText(sr.fields, 'name_label') })),
      leftOut: this.#leftOut(disks),
    };
  }

  /** The archive to import. The document is changed by this: read it anew for another one. */
  archiveFor(
    { disks, sr }: RestoredParts,
    vm: { readonly nameLabel: string; readonly otherConfig: Readonly<Record<string, string>> },
  ): Buffer {
    const kept = new Set<ExportedObject>([this.#vm]);
    const keep = (objects: readonly ExportedObject[]) => {
      for (const object of objects) kept.add(object);
    };
    this.#nameVm(vm);
    const vdis = this.#keptVdis(disks.map(({ from }) => from));
    for (const vdi of vdis) replace(vdi, disks);
    keep(vdis);
    const srs = this.#reached(vdis, { by: 'SR', className: 'SR' });
    for (const { fields } of srs) setMemberText(fields, 'uuid', sr);
    keep(srs);
    keep(this.#keptVbds(vdis));
    keep(this.#devices('VIF'));
    keep(this.#reached(this.#devices('VIF'), { by: 'network', className: 'network' }));
    for (const { fields } of kept) {
      if (memberOf(fields, 'currently_attached') !== undefined) setMemberFlag(fields, 'currently_attached', 'false');
    }
    const elements = this.#objects.filter((object) => kept.has(object)).map(({ element }) => element);
    setArrayElements(objectsOf(this.#tree), elements);
    return writeOvaArchive(writeValueTree(this.#tree));
  }

  /** A VM that was running or suspended has no memory to go on with: it comes back halted. */
  #nameVm(vm: { readonly nameLabel: string; readonly otherConfig: Readonly<Record<string, string>> }): void {
    const { fields } = this.#vm;
    setMemberText(fields, 'name_label', vm.nameLabel);
    setMemberText(fields, 'power_state', 'Halted');
    setMemberText(fields, 'suspend_VDI', NULL_REFERENCE);
    const otherConfig = memberOf(fields, 'other_config');
    if (otherConfig === undefined) throw new DamagedObject('The metadata of the VM has no other_config');
    for (const [key, value] of Object.entries(vm.otherConfig)) setMemberText(otherConfig, key, value);
  }

  /** Of the VM itself, not of its snapshots. */
  #devices(className: 'VBD' | 'VIF'): ExportedObject[] {
    return this.#of(className).filter(({ fields }) => memberText(fields, 'VM') === this.#vm.id);
  }

  #keptVdis(disks: readonly DiskId[]): ExportedObject[] {
    const wanted = new Set<string>(disks);
    const attached = new Set(this.#devices('VBD').map(({ fields }) => memberText(fields, 'VDI')));
    return this.#of('VDI').filter(({ id, fields }) => attached.has(id) && wanted.has(memberText(fields, 'uuid')));
  }

  #keptVbds(vdis: readonly ExportedObject[]): ExportedObject[] {
    const kept = new Set(vdis.map(({ id }) => id));
    return this.#devices('VBD').filter(({ fields }) => {
      if (memberText(fields, 'type') !== 'CD') return kept.has(memberText(fields, 'VDI'));
      setMemberText(fields, 'VDI', NULL_REFERENCE);
      setMemberFlag(fields, 'empty', 'true');
      return true;
    });
  }

  #leftOut(disks: readonly DiskId[]): string[] {
    const kept = new Set(this.#keptVdis(disks).map(({ id }) => id));
    const sentences = this.#devices('VBD').flatMap(({ fields }) => {
      const vdi = this.#of('VDI').find(({ id }) => id === memberText(fields, 'VDI'));
      if (vdi === undefined || kept.has(vdi.id)) return [];
      const name = memberText(vdi.fields, 'name_label');
      if (memberText(fields, 'type') === 'CD') return [`the CD drive is empty; ${name} was in it`];
      return [`disk ${memberText(fields, 'userdevice')} (${name}) is not part of the restore`];
    });
    const snapshots = this.#of('VM').length - 1;
    if (snapshots > 0) sentences.push(`${snapshots} snapshots of the VM are not restored`);
    return [...sentences, ...this.#otherClasses().map((name) => `the ${name} of the VM is not restored`)];
  }

  /** What a VM can have beside disks and interfaces: a TPM, graphics, devices passed through. */
  #otherClasses(): string[] {
    const known = new Set(['VM', 'VBD', 'VIF', 'VDI', 'SR', 'network']);
    const classes = new Set(this.#objects.map(({ className }) => className));
    return [...classes].filter((name) => !known.has(name) && !SURROUNDINGS.has(name));
  }

  #of(className: string): ExportedObject[] {
    return this.#objects.filter((object) => object.className === className);
  }

  #reached(from: readonly ExportedObject[], { by, className }: { by: string; className: string }): ExportedObject[] {
    const ids = new Set(from.map(({ fields }) => memberText(fields, by)));
    return this.#of(className).filter(({ id }) => ids.has(id));
  }
}

function replace({ fields }: ExportedObject, disks: readonly ReplacedDisk[]): void {
  const replaced = disks.find(({ from }) => from === memberText(fields, 'uuid'));
  if (replaced === undefined) return;
  setMemberText(fields, 'uuid', replaced.uuid);
  setMemberText(fields, 'location', replaced.location);
}

function objectsOf(tree: XmlNode): XmlNode {
  const objects = memberOf(tree, 'objects');
  if (objects === undefined) throw new DamagedObject('The metadata of the VM has no list of objects');
  return objects;
}

function exportedObject(element: XmlNode): ExportedObject {
  const fields = memberOf(element, 'snapshot');
  if (fields === undefined) throw new DamagedObject('The metadata of the VM has an object without fields');
  return { element, className: memberText(element, 'class'), id: memberText(element, 'id'), fields };
}
