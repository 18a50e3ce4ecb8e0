/**
 * A life of weeks in seconds: VMs that change, runs through faults, runs that die, crashes of the host, sweeps, prunes,
 * collections, and restores compared with a model, which is nothing but what was on each disk when each run began.
 * Invariants (design, promises 1, 2 and 5): a point that stands restores exactly, whatever else is gone; in the end the
 * host is clean and the next run commits.
 */

import assert from 'node:assert/strict';
import { runIdOf } from '#lib/backup/run-id.ts';
import type { RunRequest } from '#lib/backup/snapshot-disks.ts';
import type { Clock } from '#lib/clock.ts';
import { carryOutCollection, planCollection } from '#lib/collect/collector.ts';
import { Failure } from '#lib/failure.ts';
import { sweep } from '#lib/host/sweep.ts';
import { planSweep } from '#lib/host/sweep-plan.ts';
import { retentionPolicy } from '#lib/retention/policy.ts';
import { carryOutPrune, planPrune } from '#lib/retention/prune.ts';
import { type DiskId, grainsCovering, indexAfter, type RunId } from '#lib/units.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { listDisks } from '#lib/vault/disks.ts';
import { readHistory, standingEntries } from '#lib/vault/live-objects.ts';
import { GRACE_MS, RUN_LIMIT_MS } from '#lib/vault/time-limits.ts';
import type { LoneSite } from '../fakes/lone-site.ts';
import { MemoryBucket } from '../fakes/memory-store.ts';
import { memoryVersions } from '../fakes/memory-versions.ts';
import { seededRandom } from '../fakes/random.ts';
import { Crashed, crashAt, type StoreFaults, seededFaults } from '../fakes/store-faults.ts';
import { runSteps, triedAgain } from '../fakes/workflow-steps.ts';
import { assertAudit } from './assert-audit.ts';

const GRAIN = 65_536;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const FAR_MS = 10 * DAY_MS;
const COLLECTIBLE_AFTER_MS = RUN_LIMIT_MS + GRACE_MS + DAY_MS;
const TRIES = 4;
/** Calls of the store in one run of two small disks, about. */
const CALLS_OF_A_RUN = 90;
const RATES = { unavailable: 0.01, 'lost-answer': 0.01, conflict: 0.005, slow: 0.02, 'torn-upload': 0.01 };
/** Deadlines would be minutes of the machine's time: what is stalled in this life is nothing. */
const MAX_STEPS = 40;

export interface LifeFigures {
  readonly committed: number;
  readonly failed: number;
  readonly died: number;
  readonly restored: number;
  readonly letGo: number;
  readonly collected: number;
}

export class SoakLife {
  readonly story: string[] = [];
  readonly figures = { committed: 0, failed: 0, died: 0, restored: 0, letGo: 0, collected: 0 };
  readonly bucket: MemoryBucket;
  readonly #site: LoneSite;
  readonly #random: () => number;
  readonly #clock: Clock;
  readonly #contents = new Map<RunId, Map<string, Buffer>>();
  /** Runs that did not come to their end. */
  readonly #unfinished = new Set<RunId>();
  readonly #vms: { readonly uuid: string; readonly vdis: readonly string[] }[] = [];
  #aheadMs = 0;
  #runs = 0;
  readonly #seed: number;

  constructor(site: LoneSite, seed: number) {
    this.#site = site;
    this.#seed = seed;
    this.#random = seededRandom(seed);
    this.#clock = {
      now: () => new Date(Date.now() + this.#aheadMs),
      sleep: (ms, signal) => site.clock.sleep(ms, signal),
    };
    this.bucket = new MemoryBucket({ now: () => this.#clock.now() });
    site.useBucket(this.bucket);
  }

  async play(): Promise<void> {
    for (let vm = 1 + this.#below(2); vm > 0; vm--) await this.#addVm();
    await this.#run();
    for (let step = 10 + this.#below(MAX_STEPS - 9); step > 0; step--) await this.#step();
    await this.finish();
  }

  /** What has to be true in the end. */
  async finish(): Promise<void> {
    this.#pass(30 * HOUR_MS);
    await this.#sweep();
    await this.#run();
    await this.#checkAll();
    await assertAudit(this.#site.store, this.#unfinished);
    const { snapshots, dom0Vbds, sessions } = this.#site.sim.counters;
    assert.deepEqual({ snapshots, dom0Vbds, sessions }, { snapshots: [], dom0Vbds: 0, sessions: 0 }, 'the host');
  }

  async #step(): Promise<void> {
    const steps: readonly (readonly [weight: number, act: () => void | Promise<void>])[] = [
      [6, () => this.#write()],
      [4, () => this.#run()],
      [4, () => this.#faultyRun()],
      [2, () => this.#dyingRun()],
      [3, () => this.#pass(this.#below(9 * DAY_MS))],
      [3, () => this.#restoreOne()],
      [2, () => this.#prune()],
      [1, () => this.#collect()],
      [1, () => this.#sweepLater()],
      [1, () => this.#say('crash', () => this.#site.sim.crashHost())],
      [1, () => this.#say('sessions end', () => this.#site.sim.expireSessions())],
    ];
    let left = this.#random() * steps.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, act] of steps) {
      left -= weight;
      if (left < 0) return act();
    }
  }

  async #addVm(): Promise<void> {
    const disks = Array.from({ length: 1 + this.#below(2) }, () => ({
      bytes: this.#bytes(GRAIN * (2 + this.#below(8))),
    }));
    this.#vms.push(await this.#site.sim.addVm({ name: `soak ${this.#seed}-${this.#vms.length}`, disks }));
  }

  #write(): void {
    const { vdis } = this.#vm();
    const disk = vdis[this.#below(vdis.length)] ?? '';
    const { VDI } = this.#site.sim.world.db;
    const { virtual_size } = VDI.get(VDI.byUuid(disk));
    const offset = this.#below(virtual_size);
    this.story.push(`write ${offset}`);
    this.#site.sim.write(disk, offset, this.#bytes(Math.min(virtual_size - offset, 1 + this.#below(3 * GRAIN))));
  }

  async #run(): Promise<void> {
    this.story.push('run');
    await this.#play(await this.#request(), {});
    this.figures.committed += 1;
  }

  /** It may fail, but only by a name; and it may have committed all the same. */
  async #faultyRun(): Promise<void> {
    const { faults } = this.#site.sim;
    const kind = this.#below(5);
    this.story.push(`run with fault ${kind}`);
    if (kind === 0) faults.nbdCutAfterBytes = this.#below(3 * GRAIN);
    if (kind === 1) faults.lostAnswers = 1 + this.#below(2);
    if (kind === 2) faults.refusedRequests = 1 + this.#below(3);
    if (kind === 3) faults.truncatedBitmap = true;
    const store = kind === 4 ? seededFaults({ seed: this.#below(1e9), rates: RATES }) : {};
    try {
      await this.#play(await this.#request(), store);
      this.figures.committed += 1;
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      this.story.push(failure.name);
      this.figures.failed += 1;
    } finally {
      Object.assign(faults, {
        nbdCutAfterBytes: undefined,
        lostAnswers: 0,
        refusedRequests: 0,
        truncatedBitmap: false,
      });
    }
  }

  async #dyingRun(): Promise<void> {
    const call = this.#below(CALLS_OF_A_RUN);
    const moment = this.#below(2) === 0 ? 'before' : 'after';
    this.story.push(`run dies ${moment} call ${call}`);
    try {
      await this.#play(await this.#request(), crashAt(call, moment));
    } catch (death) {
      if (!(death instanceof Crashed)) throw death;
      this.figures.died += 1;
    }
    // Its lease and its snapshots stay until somebody looks.
    if (this.#below(2) === 0) await this.#sweepLater();
  }

  async #play(input: RunRequest, faults: StoreFaults): Promise<void> {
    this.#unfinished.add(runIdOf(input.execution));
    const store = this.bucket.store(faults);
    const ports = () => ({
      ...this.#site.ports,
      store,
      clock: this.#clock,
      deadline: new Date(this.#clock.now().getTime() + FAR_MS),
    });
    await runSteps((contract, step) => triedAgain(contract, { tries: TRIES }, () => step(ports())), input);
    this.#unfinished.delete(runIdOf(input.execution));
  }

  async #request(): Promise<RunRequest> {
    const vm = this.#vm();
    const request = this.#site.request(vm.uuid, {}, `${this.#seed}-${this.#runs++}`);
    const contents = new Map<string, Buffer>();
    for (const disk of vm.vdis) contents.set(disk, await this.#site.diskBytes(disk));
    this.#contents.set(runIdOf(request.execution), contents);
    return { ...request, started: this.#clock.now().toISOString() };
  }

  #pass(ms: number): void {
    this.story.push(`${(ms / DAY_MS).toFixed(1)} days pass`);
    this.#aheadMs += ms;
    this.#site.sim.advanceClock(ms);
  }

  async #prune(): Promise<void> {
    this.story.push('prune');
    const policy = retentionPolicy.parse({
      keepLast: 1 + this.#below(3),
      keepDaily: this.#below(5),
      keepWithinDays: 1 + this.#below(5),
    });
    const now = this.#clock.now();
    const plan = await planPrune(this.#site.store, () => policy, now);
    this.figures.letGo += (await carryOutPrune(this.#site.store, plan, now)).points;
  }

  /** When what was let go before, and what runs left that died, is old enough to be taken. */
  async #collect(): Promise<void> {
    this.#pass(COLLECTIBLE_AFTER_MS);
    this.story.push('collect');
    const ports = { store: this.#site.store, versions: memoryVersions(this.bucket) };
    const now = this.#clock.now();
    for (const disk of await listDisks(this.#site.store)) {
      const collected = await carryOutCollection(ports, await planCollection(ports, disk, now), now);
      this.figures.collected += collected.removed;
    }
  }

  async #sweepLater(): Promise<void> {
    this.#pass(30 * HOUR_MS);
    await this.#sweep();
  }

  async #sweep(): Promise<void> {
    this.story.push('sweep');
    const ports = { ...this.#site.ports, clock: this.#clock, executions: { isRunning: () => Promise.resolve(false) } };
    const { left } = await sweep(ports, await planSweep(ports));
    assert.deepEqual(left, [], 'the sweep left something');
  }

  async #restoreOne(): Promise<void> {
    const disks = await listDisks(this.#site.store);
    const disk = disks[this.#below(disks.length)];
    if (disk === undefined) return;
    const standing = await this.#standing(disk);
    const seq = standing[this.#below(standing.length)];
    if (seq !== undefined) await this.#check(disk, seq);
  }

  async #checkAll(): Promise<void> {
    for (const disk of await listDisks(this.#site.store)) {
      for (const seq of await this.#standing(disk)) await this.#check(disk, seq);
    }
  }

  async #standing(disk: DiskId): Promise<number[]> {
    const history = await readHistory(this.#site.store, disk);
    return standingEntries(history, this.#clock.now()).map(({ entry }) => entry.seq);
  }

  async #check(disk: DiskId, seq: number): Promise<void> {
    const content = await DiskContent.open(this.#site.store, { disk, seq });
    const bytes = Buffer.alloc(content.diskBytes);
    await content.read({ first: 0, end: indexAfter(grainsCovering(bytes.length)) }, (at, data) => {
      data.copy(bytes, at);
    });
    this.figures.restored += 1;
    assert.ok(this.#contents.get(content.entry.run)?.get(disk)?.equals(bytes), `point ${seq} of disk ${disk} differs`);
  }

  #say(what: string, act: () => void): void {
    this.story.push(what);
    act();
  }

  #vm() {
    const vm = this.#vms[this.#below(this.#vms.length)];
    assert.ok(vm);
    return vm;
  }

  #below(end: number): number {
    return Math.floor(this.#random() * end);
  }

  #bytes(length: number): Buffer {
    return this.#below(3) === 0 ? Buffer.alloc(length) : Buffer.alloc(length, `${this.#random()}`);
  }
}
