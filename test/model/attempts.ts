/** Attempts: a step that runs to its end, dies at one of its calls to the store, or falls asleep there for days. */

import type { ObjectStore } from '#lib/store/object-store.ts';
import { Crashed, type StoreCall, type StoreFault, type StoreFaults } from '../fakes/store-faults.ts';
import { DAY_MS, type World } from './world.ts';

/**
 * Accidents strike one of a step's first 4, 8, ... or 256 calls: half of all steps make fewer than ten, the longest 170.
 * More calls than a step makes are as good as no accident.
 */
const SMALLEST_CALLS_LOG2 = 2;
const LARGEST_CALLS_LOG2 = 8;
/**
 * How long a step may sleep within one of its calls. A function lives for 15 minutes at most; days are what the grace
 * allows on top.
 */
export const SLEEP_LIMIT_MS = 4 * DAY_MS;
const SLEEPERS = 4;

interface Sleeper {
  readonly sinceMs: number;
  readonly wake: () => void;
  readonly ended: Promise<void>;
}

export type Ending = 'done' | 'crashed' | 'asleep' | 'failed';

export class Attempts {
  readonly #world: World;
  #sleepers: Sleeper[] = [];
  /** Failures that are no accident of the model: what they are for is judged by the caller. */
  readonly onFailure: (error: unknown) => void;

  constructor(world: World, onFailure: (error: unknown) => void) {
    this.#world = world;
    this.onFailure = onFailure;
  }

  /** Runs `step` with a store of its own, so that its death is only its own. */
  async run(step: (store: ObjectStore) => Promise<void>): Promise<Ending> {
    const world = this.#world;
    const accident = world.random();
    const log2 = SMALLEST_CALLS_LOG2 + world.below(LARGEST_CALLS_LOG2 - SMALLEST_CALLS_LOG2 + 1);
    const at = world.below(2 ** log2);
    let fellAsleep: (() => void) | undefined;
    const asleep = new Promise<'asleep'>((resolve) => {
      fellAsleep = () => resolve('asleep');
    });
    let wake: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      wake = resolve;
    });
    let calls = 0;
    const strike = async (call: StoreCall) => {
      if (calls++ !== at) return;
      if (accident < 0.25) throw new Crashed(`died at ${call.operation} of ${call.key}`);
      if (accident < 0.35 && this.#sleepers.length < SLEEPERS) {
        fellAsleep?.();
        await gate;
      }
    };
    const faults: StoreFaults = {
      choose: () => this.#fault(),
      ...(world.chance(0.5) ? { before: strike } : { after: strike }),
    };
    let ending: Ending = 'done';
    const ended = step(world.bucket.store(faults)).catch((error: unknown) => {
      ending = isDeath(error) ? 'crashed' : 'failed';
      if (ending === 'failed') this.onFailure(error);
    });
    if ((await Promise.race([ended, asleep])) !== 'asleep') return ending;
    this.#sleepers.push({ sinceMs: world.nowMs, wake, ended });
    return 'asleep';
  }

  #fault(): StoreFault | undefined {
    const draw = this.#world.random();
    if (draw < 0.002) return 'unavailable';
    if (draw < 0.004) return 'lost-answer';
    return draw < 0.02 ? 'slow' : undefined;
  }

  /** Wakes one, or all that have slept as long as anything may. */
  async wake(which: 'any' | 'overdue' | 'all'): Promise<void> {
    const overdue = ({ sinceMs }: Sleeper) => this.#world.nowMs - sinceMs >= SLEEP_LIMIT_MS;
    const one = this.#world.pick(this.#sleepers);
    const awake = this.#sleepers.filter(
      (sleeper) => which === 'all' || overdue(sleeper) || (which === 'any' && sleeper === one),
    );
    this.#sleepers = this.#sleepers.filter((sleeper) => !awake.includes(sleeper));
    for (const { wake } of awake) wake();
    await Promise.all(awake.map(({ ended }) => ended));
  }

  /** Lets time pass without anybody sleeping longer than it is allowed. */
  async passTime(durationMs: number): Promise<void> {
    const until = this.#world.nowMs + durationMs;
    while (this.#world.nowMs < until) {
      // Not past the moment in which one has slept as long as anything may: the grace allows not an hour more.
      const dueMs = Math.min(...this.#sleepers.map(({ sinceMs }) => sinceMs + SLEEP_LIMIT_MS));
      this.#world.nowMs = Math.min(until, dueMs);
      await this.wake('overdue');
    }
  }
}

/** A step that dies may take its death for a failure of the store, and report what it could not do because of it. */
function isDeath(error: unknown): boolean {
  return error instanceof Crashed || (error instanceof Error && error.cause instanceof Crashed);
}
