/** One trace of the model: a thousand steps drawn from a seed, with everything that may go wrong going wrong. */

import { setImmediate as turn } from 'node:timers/promises';
import { CollectionStopped } from '#lib/collect/failures.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { letGo } from '#lib/vault/expiries.ts';
import { readHeaders, readHistory, standingEntries } from '#lib/vault/live-objects.ts';
import { GRACE_MS, RUN_LIMIT_MS } from '#lib/vault/time-limits.ts';
import { Crashed } from '../fakes/store-faults.ts';
import { Attempts } from './attempts.ts';
import { type Invariant, Ledgerkeeper, Violation } from './invariants.ts';
import { collect, commit, letAnyGo, planRun, prune, readOneShard, resizeDisk, writeToDisk } from './steps.ts';
import { DAY_MS, DISK, HOUR_MS, type ModelRun, World } from './world.ts';

export interface TraceReport {
  readonly seed: number;
  readonly points: number;
  readonly checks: ReadonlyMap<Invariant, number>;
  readonly violation?: Violation;
}

/** Failures that a run may meet because it came too late, or because the model broke its store. */
const FORESEEN = new Set(['VaultUnavailable', 'IncompleteRun', 'RunExpired', 'ObjectNotFound', 'RangeNotSatisfiable']);
/** All points are restored after this many steps; each new one at once. */
const STEPS_BETWEEN_RESTORES = 50;
const MAX_CALLS_TO_FINISH = 100;

export async function runTrace(seed: number, steps: number): Promise<TraceReport> {
  const trace = new Trace(seed);
  try {
    for (let step = 0; step < steps; step++) await trace.step(step);
    await trace.end();
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    return { seed, points: trace.points, checks: trace.keeper.checks, violation: error };
  }
  return { seed, points: trace.points, checks: trace.keeper.checks };
}

class Trace {
  readonly world: World;
  readonly keeper: Ledgerkeeper;
  readonly #attempts: Attempts;
  #unforeseen: unknown;
  points = 0;

  constructor(seed: number) {
    this.world = new World(seed);
    this.keeper = new Ledgerkeeper(this.world);
    this.#attempts = new Attempts(this.world, (error) => this.#judge(error));
  }

  #judge(error: unknown): void {
    const reason = error instanceof CollectionStopped ? error.cause : error;
    if (reason instanceof Violation || !(reason instanceof Error) || !FORESEEN.has(reason.name))
      this.#unforeseen ??= error;
  }

  async step(number: number): Promise<void> {
    const { world } = this;
    await this.#attempts.passTime(world.chance(0.02) ? world.below(12) * DAY_MS : world.below(8) * HOUR_MS);
    const together = world.chance(0.3) ? 3 : 1;
    await Promise.all(Array.from({ length: together }, () => this.#command()));
    await this.#look();
    if (number % STEPS_BETWEEN_RESTORES === 0) await this.keeper.checkAll(1);
  }

  async #command(): Promise<void> {
    const { world } = this;
    const run = world.chance(0.8) ? world.runs.at(-1) : world.pick(world.runs.slice(-4));
    const draw = world.random();
    if (draw < 0.12) writeToDisk(world);
    else if (draw < 0.14) resizeDisk(world);
    else if (draw < 0.16) await this.#attempts.run((store) => letAnyGo(world, store));
    else if (draw < 0.2) await this.#attempts.wake('any');
    else if (draw < 0.32) await this.#attempts.run((store) => planRun(world, store));
    else if (draw < 0.7) await this.#onRun(run, (target, store) => readOneShard(world, store, target));
    else if (draw < 0.9) await this.#onRun(run, (target, store) => commit(world, store, target));
    else if (draw < 0.95) await this.#attempts.run((store) => prune(world, store));
    else await this.#attempts.run((store) => collect(world, store, (key) => this.#onRemoval(key)));
  }

  async #onRun(
    run: ModelRun | undefined,
    step: (run: ModelRun, store: Parameters<Parameters<Attempts['run']>[0]>[0]) => Promise<void>,
  ): Promise<void> {
    if (run !== undefined) await this.#attempts.run((store) => step(run, store));
  }

  #onRemoval(key: string): void {
    this.keeper.onRemoval(key);
    if (this.world.chance(0.05)) throw new Crashed('died while deleting');
  }

  async #look(): Promise<void> {
    if (this.#unforeseen !== undefined) {
      const cause = this.#unforeseen;
      throw cause instanceof Violation ? cause : new Violation(String(cause), { invariant: 0, cause });
    }
    this.keeper.demand(0, true, () => '');
    for (const seq of await this.keeper.afterStep()) {
      this.points += 1;
      await this.keeper.onNewEntry(seq);
      // Whatever a second call does, the entry that is there stays as it is: `afterStep` compares.
      const entry = this.world.runs.find((run) => run.baseSeq === seq - 1 && this.#committed(run, seq));
      if (entry !== undefined) await commit(this.world, this.world.bucket.store(), entry).catch((e) => this.#judge(e));
      this.keeper.demand(8, (await this.keeper.afterStep()).length === 0, () => `entry ${seq} was committed twice`);
    }
  }

  #committed({ run }: ModelRun, seq: number): boolean {
    const body = this.world.bucket.objects.current(vaultKeys.ledgerEntry(DISK, seq))?.body.toString() ?? '{}';
    return JSON.parse(body).run === run;
  }

  /** Everything wakes up, one run goes through undisturbed, points go in any order, and nothing superfluous is left. */
  async end(): Promise<void> {
    await this.#attempts.wake('all');
    await this.#look();
    await this.#comeTooLate();
    const store = this.world.bucket.store();
    const run = await this.#planUndisturbed();
    const before = this.points;
    for (let call = 0; call < MAX_CALLS_TO_FINISH && this.points === before; call++) {
      await readOneShard(this.world, store, run);
      await commit(this.world, store, run).catch((error: unknown) => this.#judge(error));
      await this.#look();
    }
    this.keeper.demand(9, this.points === before + 1, () => 'a run that nothing disturbs does not get through');
    await this.keeper.checkAll(1);
    await this.#letAllGo();
    await this.#lookForLeftovers();
    this.keeper.demand(29, true, () => '');
    await turn();
  }

  async #planUndisturbed(): Promise<ModelRun> {
    await planRun(this.world, this.world.bucket.store());
    const run = this.world.runs.at(-1);
    if (run === undefined) throw new Error('no run was planned');
    return run;
  }

  /** A run that was read and then forgotten may not commit when somebody remembers it weeks later. */
  async #comeTooLate(): Promise<void> {
    const store = this.world.bucket.store();
    const run = await this.#planUndisturbed();
    for (let call = 0; call < MAX_CALLS_TO_FINISH; call++) await readOneShard(this.world, store, run);
    await this.#attempts.passTime(RUN_LIMIT_MS + GRACE_MS);
    await commit(this.world, store, run).catch((error: unknown) => this.#judge(error));
    await this.#look();
  }

  async #letAllGo(): Promise<void> {
    const store = this.world.bucket.store();
    const { entries, expiries } = await readHistory(store, DISK);
    const going = entries.slice(0, -1).filter(({ entry }) => !expiries.has(entry.seq));
    while (going.length > 0) {
      const [stored] = going.splice(this.world.below(going.length), 1);
      if (stored === undefined) break;
      const time = new Date(this.world.nowMs);
      await letGo(store, { disk: DISK, seq: stored.entry.seq, time, because: 'the model says so' });
      await this.#attempts.passTime(GRACE_MS + DAY_MS);
      await collect(this.world, store, () => undefined);
      await this.keeper.checkAll(going.length % 2 === 0 ? 2 : 10);
    }
  }

  async #lookForLeftovers(): Promise<void> {
    await this.#attempts.passTime(RUN_LIMIT_MS + GRACE_MS + 3 * DAY_MS);
    const store = this.world.bucket.store();
    await collect(this.world, store, () => undefined);
    const { objects } = this.world.bucket;
    const history = await readHistory(store, DISK);
    const standing = standingEntries(history, new Date(this.world.nowMs));
    this.keeper.demand(11, standing.length === 1, () => `${standing.length} points stand`);
    const kept = objects.allVersions(vaultKeys.packs(DISK)).length;
    const needed = (await readHeaders(store, standing)).flatMap(({ packs }) => packs).length;
    this.keeper.demand(11, kept === needed, () => `${kept} packs are stored, ${needed} are needed`);
    await this.keeper.checkAll(10);
  }
}
