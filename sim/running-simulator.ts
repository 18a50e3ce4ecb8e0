/** The handle of a running simulator: everything a test or the demo does to the pool from outside the API. */

import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { stopTracking } from '#sim/api/cbt-calls.ts';
import { moveDisk, replaceBySnapshot, revertInPlace } from '#sim/api/disk-moves.ts';
import { endSession } from '#sim/api/session-calls.ts';
import { addVbd } from '#sim/api/vbd-calls.ts';
import { addDisk, resizeDisk } from '#sim/api/vdi-calls.ts';
import { powerOff, powerOn } from '#sim/api/vm-calls.ts';
import type { Ref } from '#sim/database/database.ts';
import { crashLogs, guestWrite, writeDifferences } from '#sim/disks/guest.ts';
import type { NbdServer } from '#sim/nbd/nbd-server.ts';
import { NULL_REF } from '#sim/wire/values.ts';
import type { XapiServer } from '#sim/wire/xapi-server.ts';
import type { Faults } from './faults.ts';
import { imageOf, type World } from './world.ts';

export interface DiskOptions {
  /** A raw image, only ever read; its size is the disk's size. */
  readonly file?: string;
  readonly bytes?: Uint8Array;
  /** Larger than the content, or the whole of an empty disk. */
  readonly sizeBytes?: number;
  readonly name?: string;
  /** Name of the storage repository; the first one unless given. */
  readonly sr?: string;
  readonly type?: string;
}

export interface VmOptions {
  readonly name: string;
  readonly tags?: readonly string[];
  readonly disks: readonly DiskOptions[];
  /** VMs run unless told otherwise. */
  readonly halted?: boolean;
  /** Adds an empty CD drive. */
  readonly cdDrive?: boolean;
}

export interface AddedVm {
  readonly uuid: string;
  readonly name: string;
  readonly vdis: readonly string[];
}

export interface PoolParts {
  readonly world: World;
  readonly hosts: readonly Ref[];
  readonly credentials: { readonly username: string; readonly password: string };
  readonly servers: { readonly api: readonly XapiServer[]; readonly nbd: readonly NbdServer[] };
  readonly cleanUp: () => Promise<void>;
}

/** Pieces of a disk's image stream. */
const STREAM_BYTES = 1_048_576;

export class Simulator {
  /** The pool's inside, for tests that need more than this class offers. */
  readonly world: World;
  readonly credentials: { readonly username: string; readonly password: string };
  readonly #parts: PoolParts;
  readonly #coordinator: Ref;
  #stopped = false;

  constructor(parts: PoolParts) {
    this.world = parts.world;
    this.credentials = parts.credentials;
    this.#parts = parts;
    this.#coordinator = parts.hosts[0] ?? NULL_REF;
  }

  get url(): string {
    return `https://127.0.0.1:${this.world.endpoints.apiPort}`;
  }

  /** Addresses of the hosts that answer HOST_IS_SLAVE. */
  get supporterUrls(): readonly string[] {
    const { host } = this.world.db;
    return this.#parts.hosts.slice(1).map((ref) => `https://${host.get(ref).address}:${this.world.endpoints.apiPort}`);
  }

  get nbdPort(): number {
    return this.world.endpoints.nbdPort;
  }

  get certificatePem(): string {
    return this.world.certificates.current.certificatePem;
  }

  get fingerprint(): string {
    return this.world.certificates.current.fingerprint;
  }

  get faults(): Faults {
    return this.world.faults;
  }

  /** What clients did, and what they have left behind at this moment. */
  get counters() {
    const { db, counters } = this.world;
    const uuids = (refs: Ref[]) => refs.map((ref) => db.VDI.get(ref).uuid);
    return {
      apiCalls: Object.fromEntries(counters.apiCalls),
      nbdBytesByVdi: Object.fromEntries(counters.nbdBytesByVdi),
      nbdReadRequests: counters.nbdReadRequests,
      nbdConnections: counters.nbdConnections,
      nbdConnectionsPeak: counters.nbdConnectionsPeak,
      nbdConnectionsTotal: counters.nbdConnectionsTotal,
      nbdConnectionsRefused: counters.nbdConnectionsRefused,
      sessions: db.session.refs().length,
      tasks: db.task.refs().length,
      dom0Vbds: db.VBD.where((vbd) => db.VM.get(vbd.VM).is_control_domain).length,
      snapshots: uuids(db.VDI.where((vdi) => vdi.is_a_snapshot && vdi.type !== 'cbt_metadata')),
      cbtMetadata: uuids(db.VDI.where((vdi) => vdi.type === 'cbt_metadata')),
      vmSnapshots: db.VM.where((vm) => vm.is_a_snapshot).map((vm) => db.VM.get(vm).uuid),
    };
  }

  async addVm(options: VmOptions): Promise<AddedVm> {
    const { db } = this.world;
    const vm = db.VM.create({ name_label: options.name, tags: options.tags ?? [] });
    const vdis: string[] = [];
    for (const [index, disk] of options.disks.entries()) {
      const vdi = await this.#addDisk(disk, `${options.name} disk ${index}`);
      addVbd(this.world, { vm, vdi, mode: 'RW', bootable: index === 0 });
      vdis.push(db.VDI.get(vdi).uuid);
    }
    if (options.cdDrive) addVbd(this.world, { vm, vdi: NULL_REF, mode: 'RO', type: 'CD' });
    const [network] = db.network.refs();
    if (network !== undefined) db.VIF.create({ VM: vm, network, MAC: macAddress(db.VIF.refs().length) });
    if (!options.halted) powerOn(this.world, vm, this.#coordinator);
    return { uuid: db.VM.get(vm).uuid, name: options.name, vdis };
  }

  /** A write by the guest: sets the change log's bits in whole 64 KiB. */
  write(vdiUuid: string, offsetBytes: number, bytes: Uint8Array): void {
    guestWrite(this.world, this.#vdi(vdiUuid), { offsetBytes, bytes });
  }

  /** Makes the disk equal to a raw image file; answers how many 64 KiB blocks differed. */
  writeDifferences(vdiUuid: string, imageFile: string): Promise<number> {
    return writeDifferences(this.world, this.#vdi(vdiUuid), imageFile);
  }

  resize(vdiUuid: string, sizeBytes: number): void {
    resizeDisk(this.world, this.#vdi(vdiUuid), sizeBytes);
  }

  read(vdiUuid: string, offsetBytes: number, lengthBytes: number): Promise<Buffer> {
    return imageOf(this.world, this.#vdi(vdiUuid)).read(offsetBytes, lengthBytes);
  }

  /** The whole disk as a stream, for comparing. */
  diskImage(vdiUuid: string): Readable {
    const image = imageOf(this.world, this.#vdi(vdiUuid));
    async function* pieces() {
      for (let at = 0; at < image.sizeBytes; at += STREAM_BYTES) {
        yield await image.read(at, Math.min(STREAM_BYTES, image.sizeBytes - at));
      }
    }
    return Readable.from(pieces(), { objectMode: false });
  }

  /**
   * The host dies and comes back: connections and dom0 VBDs are gone, logs of running disks are inconsistent. VMs are
   * started again, which is when the storage driver notices, unless `restart` is false.
   */
  crashHost({ restart = true } = {}): void {
    for (const server of this.#parts.servers.nbd) server.dropConnections();
    const running = crashLogs(this.world);
    for (const vm of running) powerOff(this.world, vm);
    if (restart) for (const vm of running) powerOn(this.world, vm, this.#coordinator);
  }

  /**
   * Puts a snapshot's content back. The classic way answers the uuid of a new disk without tracking; with `keepUuid`
   * the disk stays the same and only its log starts anew.
   */
  revert(vdiUuid: string, snapshotUuid: string, { keepUuid = false } = {}): string {
    const live = this.#vdi(vdiUuid);
    const snapshot = this.#vdi(snapshotUuid);
    if (keepUuid) revertInPlace(this.world, live, snapshot);
    const reverted = keepUuid ? live : replaceBySnapshot(this.world, live, snapshot);
    return this.world.db.VDI.get(reverted).uuid;
  }

  /** Moves a disk to another storage repository, switching tracking off first as other tools do; answers its new uuid. */
  migrate(vdiUuid: string, srName: string): string {
    const vdi = this.#vdi(vdiUuid);
    const [sr] = this.world.db.SR.where((row) => row.name_label === srName);
    if (sr === undefined) throw new Error(`there is no storage repository ${srName}`);
    stopTracking(this.world, vdi);
    return this.world.db.VDI.get(moveDisk(this.world, vdi, sr)).uuid;
  }

  /** Ends every session without a word, as a day of silence does. */
  expireSessions(): void {
    for (const session of this.world.db.session.refs()) endSession(this.world, session);
  }

  /** Moves the host's clock forward: tasks and sessions expire by it. */
  advanceClock(ms: number): void {
    this.world.clock.advance(ms);
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.world.stopping.abort(new Error('the simulator stops'));
    const { api, nbd } = this.#parts.servers;
    await Promise.all([...api, ...nbd].map((server) => server.close()));
    this.world.store.closeAll();
    await this.#parts.cleanUp();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #vdi(uuid: string): Ref {
    return this.world.db.VDI.byUuid(uuid);
  }

  async #addDisk(disk: DiskOptions, defaultName: string): Promise<Ref> {
    const { db, images, store } = this.world;
    const [sr] = disk.sr === undefined ? db.SR.refs() : db.SR.where((row) => row.name_label === disk.sr);
    if (sr === undefined) throw new Error(`there is no storage repository ${disk.sr}`);
    const contentBytes = disk.file === undefined ? (disk.bytes?.length ?? 0) : (await stat(disk.file)).size;
    const sizeBytes = Math.max(contentBytes, disk.sizeBytes ?? 0);
    const vdi = addDisk(this.world, { sr, name: disk.name ?? defaultName, type: disk.type ?? 'user', sizeBytes });
    if (disk.file !== undefined) images.set(vdi, await store.overFile(disk.file, sizeBytes));
    else if (disk.bytes) imageOf(this.world, vdi).write(0, disk.bytes);
    return vdi;
  }
}

function macAddress(index: number): string {
  return `02:00:00:00:00:${index.toString(16).padStart(2, '0')}`;
}
