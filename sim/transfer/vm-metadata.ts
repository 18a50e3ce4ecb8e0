/** GET /export_metadata and PUT /import_metadata: a VM's records without its disks' content. */

import { randomBytes } from 'node:crypto';
import { ApiError } from '#sim/api/api-error.ts';
import { succeedTask } from '#sim/api/task-calls.ts';
import { addVbd } from '#sim/api/vbd-calls.ts';
import type { Ref } from '#sim/database/database.ts';
import type { HttpRequest, Outcome } from '#sim/wire/http-connection.ts';
import { isSet, isStruct, NULL_REF, type Struct, type Value } from '#sim/wire/values.ts';
import { readValueDocument } from '#sim/wire/xml-rpc-reader.ts';
import { valueFragment } from '#sim/wire/xml-rpc-writer.ts';
import type { World } from '#sim/world.ts';
import { parameter } from './resource-access.ts';
import { firstFile, tarOf } from './tar.ts';
import { accept, runTransfer, stream, type TransferContext } from './transfer.ts';

/** The records of one VM with everything around it are some tens of KiB. */
const MAX_METADATA_BYTES = 16 * 1_048_576;

const OVA_XML = 'ova.xml';

export function exportMetadata(world: World, request: HttpRequest, host: Ref): Promise<Outcome> {
  return runTransfer({ world, request, host }, { name: 'VM.export_metadata', role: 'vm-admin' }, async (context) => {
    const vm = parameter(request, 'ref') ?? world.db.VM.byUuid(parameter(request, 'uuid') ?? '');
    const document = valueFragment({ version: version(), objects: objectsOf(world, vm) });
    await accept(context, 'application/octet-stream');
    return stream(context, one(tarOf(OVA_XML, Buffer.from(document))));
  });
}

async function* one(piece: Buffer): AsyncGenerator<Buffer> {
  yield piece;
}

function version(): Struct {
  return {
    hostname: 'xenhost1.test',
    date: '2026-01-01',
    product_version: '8.4.0',
    xapi_major: 2,
    xapi_minor: 21,
    export_vsn: 2,
  };
}

/** The VM, its devices, their disks, networks and repositories; references become Ref:0, Ref:1, … */
function objectsOf(world: World, vm: Ref): Value {
  const { db } = world;
  db.VM.get(vm);
  const vbds = db.VBD.where((vbd) => vbd.VM === vm);
  const vifs = db.VIF.where((vif) => vif.VM === vm);
  const vdis = vbds.map((vbd) => db.VBD.get(vbd).VDI).filter((vdi) => vdi !== NULL_REF);
  const srs = [...new Set(vdis.map((vdi) => db.VDI.get(vdi).SR))];
  const networks = [...new Set(vifs.map((vif) => db.VIF.get(vif).network))];
  const members = [
    ...srs.map((ref) => ({ table: 'SR', ref })),
    ...networks.map((ref) => ({ table: 'network', ref })),
    ...vdis.map((ref) => ({ table: 'VDI', ref })),
    { table: 'VM', ref: vm },
    ...vbds.map((ref) => ({ table: 'VBD', ref })),
    ...vifs.map((ref) => ({ table: 'VIF', ref })),
  ];
  const names = new Map(members.map(({ ref }, index) => [ref, `Ref:${index}`]));
  return members.map(({ table, ref }) => {
    const rows = db.tables.get(table);
    const snapshot = rows ? renamed(db.read(rows, ref), names) : {};
    return { class: table, id: names.get(ref) ?? ref, snapshot };
  });
}

function renamed(value: Value, names: ReadonlyMap<string, string>): Value {
  if (typeof value === 'string') return names.get(value) ?? value;
  if (isSet(value)) return value.map((element) => renamed(element, names));
  if (!isStruct(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, renamed(member, names)]));
}

export function importMetadata(world: World, request: HttpRequest, host: Ref): Promise<Outcome> {
  return runTransfer({ world, request, host }, { name: 'VM.metadata_import', role: 'vm-admin' }, receiveMetadata);
}

async function receiveMetadata(context: TransferContext): Promise<Outcome> {
  const { world, request, task } = context;
  await accept(context, 'application/octet-stream');
  const lengthBytes = Number(request.headers.get('content-length') ?? Number.NaN);
  if (!(lengthBytes <= MAX_METADATA_BYTES)) throw new ApiError('IMPORT_ERROR_CANNOT_HANDLE_CHUNKED');
  const file = firstFile(await request.body.exactly(lengthBytes));
  if (!file) throw new ApiError('IMPORT_ERROR_PREMATURE_EOF');
  if (file.name !== OVA_XML) throw new ApiError('IMPORT_ERROR_UNEXPECTED_FILE', [OVA_XML, file.name]);
  const document = readValueDocument(file.content.toString('utf8'));
  const objects = isStruct(document) && isSet(document['objects']) ? document['objects'].filter(isStruct) : [];
  const keepsIdentity = parameter(request, 'restore') === 'true';
  const vms = new MetadataImport(world, objects, { replaced: vdiMap(request), keepsIdentity }).run();
  succeedTask(world, task, valueFragment(vms));
  return 'close';
}

/** `vdi:<uuid in the export>=<uuid here>` in the query: which disk takes the place of which. */
function vdiMap({ query }: HttpRequest): ReadonlyMap<string, string> {
  const entries = [...query].filter(([key]) => key.startsWith('vdi:'));
  return new Map(entries.map(([key, uuid]) => [key.slice('vdi:'.length), uuid]));
}

interface ImportOptions {
  /** By the uuid in the document, the uuid here. */
  readonly replaced: ReadonlyMap<string, string>;
  /** `restore=true`: uuids and MAC addresses stay, and a halted VM of the same uuid is replaced. */
  readonly keepsIdentity: boolean;
}

interface ExportedObject {
  readonly id: string;
  readonly snapshot: Struct;
}

/** Makes VMs of a document. Their disks must exist already; networks are found by name or bridge, or made. */
class MetadataImport {
  readonly #world: World;
  readonly #objects: readonly Struct[];
  readonly #options: ImportOptions;
  readonly #refs = new Map<string, Ref>([[NULL_REF, NULL_REF]]);

  constructor(world: World, objects: readonly Struct[], options: ImportOptions) {
    this.#world = world;
    this.#objects = objects;
    this.#options = options;
  }

  run(): Ref[] {
    const { db } = this.#world;
    for (const { id, snapshot } of this.#each('VDI')) this.#refs.set(id, this.#diskFor(id, snapshot));
    const vms = this.#each('VM').map((object) => this.#makeVm(object));
    for (const { id, snapshot } of this.#each('network')) this.#refs.set(id, this.#networkFor(snapshot));
    for (const { snapshot } of this.#each('VBD')) this.#makeVbd(snapshot);
    for (const { snapshot } of this.#each('VIF')) {
      const vm = this.#refs.get(text(snapshot['VM']));
      const network = this.#refs.get(text(snapshot['network']));
      if (vm === undefined || network === undefined) continue;
      const MAC = this.#options.keepsIdentity ? text(snapshot['MAC']) : newMacAddress();
      db.VIF.create({ VM: vm, network, device: text(snapshot['device']), MAC });
    }
    return vms;
  }

  #each(className: string): ExportedObject[] {
    return this.#objects.filter((object) => object['class'] === className).map(partsOf);
  }

  /** By the map of the request, else by repository and location, as the host looks. */
  #diskFor(id: string, snapshot: Struct): Ref {
    const { db } = this.#world;
    const mapped = this.#options.replaced.get(text(snapshot['uuid']));
    const repository = this.#each('SR').find((sr) => sr.id === snapshot['SR'])?.snapshot;
    const location = text(snapshot['location']);
    const [found] = db.VDI.where((vdi) =>
      mapped === undefined
        ? vdi.location === location && db.SR.get(vdi.SR).uuid === repository?.['uuid']
        : vdi.uuid === mapped,
    );
    if (found === undefined) throw new ApiError('IMPORT_ERROR_FAILED_TO_FIND_OBJECT', [id]);
    return found;
  }

  #makeVm({ id, snapshot }: ExportedObject): Ref {
    const { VM } = this.#world.db;
    const uuid = text(snapshot['uuid']);
    const keepsUuid = this.#options.keepsIdentity && uuid !== '';
    if (keepsUuid) for (const old of VM.where((row) => row.uuid === uuid)) this.#makeRoom(old);
    const vm = VM.create({
      ...(keepsUuid ? { uuid } : {}),
      name_label: text(snapshot['name_label']),
      name_description: text(snapshot['name_description']),
      is_a_snapshot: snapshot['is_a_snapshot'] === true,
      tags: isSet(snapshot['tags']) ? snapshot['tags'].map(text) : [],
      other_config: textsOf(snapshot['other_config']),
    });
    this.#refs.set(id, vm);
    return vm;
  }

  /** The host puts an imported VM in the place of a halted one of the same uuid. */
  #makeRoom(old: Ref): void {
    const { VM, VBD, VIF } = this.#world.db;
    const { power_state } = VM.get(old);
    if (power_state !== 'Halted') throw new ApiError('VM_BAD_POWER_STATE', [old, 'halted', power_state.toLowerCase()]);
    for (const vbd of VBD.where((row) => row.VM === old)) VBD.delete(vbd);
    for (const vif of VIF.where((row) => row.VM === old)) VIF.delete(vif);
    VM.delete(old);
  }

  #networkFor(snapshot: Struct): Ref {
    const { network } = this.#world.db;
    const name_label = text(snapshot['name_label']);
    const bridge = text(snapshot['bridge']);
    const [named] = network.where((row) => row.name_label === name_label);
    const [bridged] = network.where((row) => row.bridge === bridge && bridge !== '');
    return named ?? bridged ?? network.create({ name_label });
  }

  #makeVbd(snapshot: Struct): void {
    const vm = this.#refs.get(text(snapshot['VM']));
    const vdi = this.#refs.get(text(snapshot['VDI']));
    if (vm === undefined || vdi === undefined) return;
    const { mode, userdevice, type } = snapshot;
    const bootable = snapshot['bootable'] === true;
    addVbd(this.#world, { vm, vdi, mode: text(mode), userdevice: text(userdevice), bootable, type: text(type) });
  }
}

/** In the range for locally administered addresses. */
function newMacAddress(): string {
  return `06:${(randomBytes(5).toString('hex').match(/../g) ?? []).join(':')}`;
}

function textsOf(value: Value | undefined): Record<string, string> {
  if (!isStruct(value)) return {};
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, text(member)]));
}

function partsOf(object: Struct): ExportedObject {
  return { id: text(object['id']), snapshot: isStruct(object['snapshot']) ? object['snapshot'] : {} };
}

function text(value: Value | undefined): string {
  return typeof value === 'string' ? value : '';
}
