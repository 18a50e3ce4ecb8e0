/**
 * Random lives of one VM: what people and accidents do to its disks on the host, backup runs among it, runs that die at
 * any call of the store and at any request to the host, sweeps. Invariants (design, promises 1 and 2): in the end every
 * committed point restores to what the disk was when its run began, and the host is clean.
 */

import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { runIdOf } from '#lib/backup/run-id.ts';
import type { Clock } from '#lib/clock.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { grainsCovering, indexAfter, parseDiskId } from '#lib/units.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { removeDisk } from '#sim/api/disk-moves.ts';
import { LoneSite } from '../fakes/lone-site.ts';
import { MemoryBucket } from '../fakes/memory-store.ts';
import { seededRandom } from '../fakes/random.ts';
import { crashAt } from '../fakes/store-faults.ts';
import { ApiClient } from '../sim/api-client.ts';
import { assertHostClean, runUntilDeath, runUntilRequest, sweepSite } from './dying-site.ts';

const GRAIN = 65_536;
const SRS = [
  { name: 'first', type: 'ext' },
  { name: 'second', type: 'nfs' },
  { name: 'without CBT', type: 'linstor' },
];
/** No waits on the host: the order of events is the same, and there is time for more sequences. */
const TIMINGS = { coalesceAfterMs: 0, storageOperationMs: 0, plugMs: 0, unplugMs: 0, busyRetryMs: 0, badPasswordMs: 0 };
/** A sequence makes ten connections, and the host's own curve would take a fifth of its processor time. */
const CHEAP_CURVE = 'prime256v1';
/** Calls of the store in one run of two disks, about; a death beyond the last one is a run that completes. */
const CALLS_OF_A_RUN = 90;
/** Requests to the host's API in one run of two disks, about. */
const REQUESTS_OF_A_RUN = 80;
const MAX_STEPS = 8;
/** Any number: seeds that differ in some bits have sources that have nothing in common. */
const OTHER_SOURCE = 0x5bd1_e995;

/** Waits are turns of the event loop. */
export const turningClock: Clock = {
  now: () => new Date(),
  async sleep() {
    for (let turns = 0; turns < 3; turns++) await turn();
  },
};

/** The simulator, the VM and the vault of one sequence; the simulator is used for many. */
export async function startSequences(): Promise<LoneSite> {
  return LoneSite.start({ timings: TIMINGS, srs: SRS, clock: turningClock, ecdhCurve: CHEAP_CURVE });
}

/**
 * Where runs die: at a call of the store, or there and at a request to the host. The seeds of sequences that once failed
 * are those of deaths at the store.
 */
export type Deaths = 'at the store' | 'anywhere';

/** Plays one sequence; the failure names the seed and the steps so far. */
export async function playSequence(site: LoneSite, seed: number, deaths: Deaths = 'anywhere'): Promise<void> {
  const life = new Life(site, seed, deaths);
  try {
    await life.play();
  } catch (cause) {
    throw new Error(`seed ${seed}: ${life.story.join(', ')}: ${String(cause)}`, { cause });
  } finally {
    life.bury();
  }
}

class Life {
  readonly story: string[] = [];
  readonly #site: LoneSite;
  readonly #seed: number;
  readonly #random: () => number;
  /** A source of its own, so that both kinds of deaths tell the same story but for the place. */
  readonly #diesAtRequest: () => boolean;
  /** Contents of every disk when a run began, by run number of the sequence. */
  readonly #contents: Map<string, Buffer>[] = [];
  /** Snapshots that somebody else made of the VM: they must survive. */
  readonly #foreign: { readonly disk: number; readonly uuid: string }[] = [];
  #vm = '';
  #disks: string[] = [];

  constructor(site: LoneSite, seed: number, deaths: Deaths) {
    this.#site = site;
    this.#seed = seed;
    this.#random = seededRandom(seed);
    const coin = seededRandom(seed ^ OTHER_SOURCE);
    this.#diesAtRequest = () => deaths === 'anywhere' && coin() < 0.5;
  }

  async play(): Promise<void> {
    this.#site.useBucket(new MemoryBucket({ now: () => new Date() }));
    const disks = Array.from({ length: 1 + this.#below(2) }, (_, at) => ({
      bytes: this.#bytes(GRAIN * (1 + this.#below(4))),
      sr: at === 0 ? 'first' : (['first', 'second', 'without CBT'][this.#below(3)] ?? 'first'),
    }));
    const vm = await this.#site.sim.addVm({ name: `life ${this.#seed}`, disks });
    this.#vm = vm.uuid;
    this.#disks = [...vm.vdis];
    for (let step = 2 + this.#below(MAX_STEPS - 1); step > 0; step--) await this.#step();
    await this.#sweep();
    assertHostClean(this.#site, { foreign: this.#foreign.map(({ uuid }) => uuid), disks: this.#disks.length });
    await this.#checkPoints();
  }

  /** Takes everything of this sequence out of the pool, so that the next one does not pay for it. */
  bury(): void {
    const { world } = this.#site.sim;
    const { VM, VDI, VBD, VIF } = world.db;
    for (const vdi of VDI.refs()) removeDisk(world, vdi);
    for (const vm of VM.where((row) => !row.is_control_domain)) {
      for (const vbd of VBD.where((row) => row.VM === vm)) VBD.delete(vbd);
      for (const vif of VIF.where((row) => row.VM === vm)) VIF.delete(vif);
      VM.delete(vm);
    }
  }

  #step(): Promise<void> | void {
    const steps: readonly [weight: number, act: () => Promise<void> | void][] = [
      [5, () => this.#write()],
      [1, () => this.#resize()],
      [1, () => this.#snapshot()],
      [1, () => this.#say('crash', () => this.#site.sim.crashHost())],
      [1, () => this.#disable()],
      [1, () => this.#revert()],
      [1, () => this.#migrate()],
      [1, () => this.#deleteMetadata()],
      [4, () => this.#run()],
      [4, () => this.#dyingRun()],
      [1, () => this.#sweep()],
    ];
    let left = this.#random() * steps.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, act] of steps) {
      left -= weight;
      if (left < 0) return act();
    }
  }

  #write(): void {
    const disk = this.#disk();
    const { virtual_size } = this.#vdi(disk);
    const offset = this.#below(virtual_size - 1);
    this.story.push(`write ${offset}`);
    this.#site.sim.write(disk, offset, this.#bytes(Math.min(virtual_size - offset, 1 + this.#below(GRAIN))));
  }

  #resize(): void {
    const disk = this.#disk();
    this.#say('resize', () => this.#site.sim.resize(disk, this.#vdi(disk).virtual_size + 512 * this.#below(300)));
  }

  async #snapshot(): Promise<void> {
    this.story.push('snapshot');
    const before = new Set(this.#site.sim.counters.snapshots);
    const vm = this.#site.sim.world.db.VM.byUuid(this.#vm);
    await this.#asSomebodyElse((client) => client.task('VM.snapshot', vm, 'of somebody else'));
    const made = this.#site.sim.counters.snapshots.filter((uuid) => !before.has(uuid));
    const { VDI } = this.#site.sim.world.db;
    for (const uuid of made) {
      const parent = VDI.get(this.#vdi(uuid).snapshot_of).uuid;
      this.#foreign.push({ uuid, disk: this.#disks.indexOf(parent) });
    }
  }

  async #disable(): Promise<void> {
    const disk = this.#disk();
    if (!this.#vdi(disk).cbt_enabled) return;
    this.story.push('disable');
    const vdi = this.#site.sim.world.db.VDI.byUuid(disk);
    await this.#asSomebodyElse((client) => client.task('VDI.disable_cbt', vdi));
  }

  #revert(): void {
    const to = this.#foreign[this.#below(this.#foreign.length)];
    const disk = to === undefined ? undefined : this.#disks[to.disk];
    if (to === undefined || disk === undefined) return;
    const keepUuid = this.#below(2) === 0;
    this.#say(keepUuid ? 'revert in place' : 'revert', () => {
      this.#disks[to.disk] = this.#site.sim.revert(disk, to.uuid, { keepUuid });
    });
  }

  #migrate(): void {
    const at = this.#below(this.#disks.length);
    const sr = SRS[this.#below(2)]?.name ?? 'first';
    this.#say(`migrate to ${sr}`, () => {
      this.#disks[at] = this.#site.sim.migrate(this.#disks[at] ?? '', sr);
    });
  }

  #deleteMetadata(): void {
    const [uuid] = this.#site.sim.counters.cbtMetadata;
    if (uuid === undefined) return;
    const { world } = this.#site.sim;
    this.#say('delete metadata', () => removeDisk(world, world.db.VDI.byUuid(uuid)));
  }

  async #run(): Promise<void> {
    this.story.push('run');
    await this.#remember();
    await this.#site.backUp(this.#vm, {}, this.#name());
  }

  async #dyingRun(): Promise<void> {
    const call = this.#below(CALLS_OF_A_RUN);
    const moment = this.#below(2) === 0 ? 'before' : 'after';
    const request = this.#diesAtRequest() ? call % REQUESTS_OF_A_RUN : undefined;
    this.story.push(`run dies ${moment} ${request === undefined ? `call ${call}` : `request ${request}`}`);
    await this.#remember();
    const run = { vm: this.#vm, name: this.#name() };
    if (request === undefined) await runUntilDeath(this.#site, run, crashAt(call, moment));
    else await runUntilRequest(this.#site, run, { request, moment });
  }

  async #sweep(): Promise<void> {
    this.story.push('sweep');
    const { left } = await sweepSite(this.#site);
    assert.deepEqual(left, [], 'the sweep left something');
  }

  /** Of the run that comes next; it leads from a point to what the disks were when its run began. */
  #name(at = this.#contents.length - 1): string {
    return `${this.#seed}-${at}`;
  }

  async #remember(): Promise<void> {
    const contents = new Map<string, Buffer>();
    for (const disk of this.#disks) contents.set(disk, await this.#site.diskBytes(disk));
    this.#contents.push(contents);
  }

  async #checkPoints(): Promise<void> {
    const contentOf = new Map(
      this.#contents.map((contents, at) => [
        runIdOf(this.#site.request(this.#vm, {}, this.#name(at)).execution),
        contents,
      ]),
    );
    for await (const { key } of this.#site.store.list(vaultKeys.disks())) {
      const [, disk, seq] = /^disks\/([^/]+)\/ledger\/(\d+)\.json$/.exec(key) ?? [];
      if (disk === undefined) continue;
      const content = await DiskContent.open(this.#site.store, { disk: parseDiskId(disk), seq: Number(seq) });
      const expected = contentOf.get(content.entry.run)?.get(disk);
      assert.ok(expected?.equals(await wholeOf(content)), `point ${Number(seq)} of disk ${disk}`);
    }
  }

  async #asSomebodyElse(act: (client: ApiClient) => Promise<unknown>): Promise<void> {
    const client = await ApiClient.login(this.#site.sim, undefined, 'somebody else');
    await act(client);
    await client.call('session.logout');
  }

  #say(what: string, act: () => void): void {
    this.story.push(what);
    act();
  }

  #vdi(uuid: string) {
    const { VDI } = this.#site.sim.world.db;
    return VDI.get(VDI.byUuid(uuid));
  }

  #disk(): string {
    return this.#disks[this.#below(this.#disks.length)] ?? '';
  }

  #below(end: number): number {
    return Math.floor(this.#random() * end);
  }

  /** Zeros as often as data, since both have paths of their own. */
  #bytes(length: number): Buffer {
    return this.#below(3) === 0 ? Buffer.alloc(length) : Buffer.alloc(length, this.#below(256));
  }
}

async function wholeOf(content: DiskContent): Promise<Buffer> {
  const bytes = Buffer.alloc(content.diskBytes);
  await content.read({ first: 0, end: indexAfter(grainsCovering(content.diskBytes)) }, (offset, data) => {
    data.copy(bytes, offset);
  });
  return bytes;
}
