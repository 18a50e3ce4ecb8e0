/** The time and chance of this machine, for executions that run in earnest. */

import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '#lib/clock.ts';
import type { Randomness } from './ports.ts';

/** A timer of Node holds a signed 32-bit count of milliseconds: 24.8 days. Longer sleeps take several. */
const MAX_TIMER_MS = 2_147_483_647;

export const systemClock: Clock = {
  now: () => new Date(),
  sleep: async (durationMs, signal) => {
    const untilMs = performance.now() + durationMs;
    let leftMs = durationMs;
    do {
      signal?.throwIfAborted();
      await sleepOnce(Math.min(leftMs, MAX_TIMER_MS), signal);
      leftMs = untilMs - performance.now();
    } while (leftMs > 0);
  },
};

/** Node rejects with an AbortError of its own; the clock promises the signal's reason. */
async function sleepOnce(durationMs: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(durationMs, undefined, signal === undefined ? {} : { signal });
  } catch (cause) {
    signal?.throwIfAborted();
    throw cause;
  }
}

export const systemRandomness: Randomness = {
  fraction: () => Math.random(),
  uuid: () => randomUUID(),
};
