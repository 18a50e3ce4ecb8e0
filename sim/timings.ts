/** How long the simulated host takes for things. */

import { setTimeout as sleep } from 'node:timers/promises';

/** A fixed duration, or one drawn evenly from a range. */
export type Delay = number | readonly [fromMs: number, toMs: number];

export interface Timings {
  readonly badPasswordMs: Delay;
  /** VDI.snapshot, enable_cbt, destroy and the like, while the storage repository is locked. */
  readonly storageOperationMs: Delay;
  /** VBD.create and VBD.plug for an NBD export, between EXPORT_NAME and its reply. */
  readonly plugMs: Delay;
  /** From an NBD disconnect until the dom0 VBD is gone. */
  readonly unplugMs: Delay;
  /** How long data_destroy waits for the disk's VBDs. */
  readonly dataDestroyWaitMs: number;
  /** Between attempts on a storage repository that is busy with another operation. */
  readonly busyRetryMs: Delay;
  /** After this the caller sees OTHER_OPERATION_IN_PROGRESS. */
  readonly busyTimeoutMs: number;
  /** How long a storage repository has to be quiet before the host shortens chains whose snapshots were removed. */
  readonly coalesceAfterMs: number;
  readonly headerReadMs: number;
  readonly firstHeaderTotalMs: number;
  readonly sessionInactivityMs: number;
  readonly completedTaskKeptMs: number;
  readonly pendingTaskKeptMs: number;
}

/** What a real host does, as far as it is known (reference of the API, sections 1, 2 and 4). */
export const FAITHFUL_TIMINGS: Timings = {
  badPasswordMs: 5000,
  storageOperationMs: [200, 800],
  plugMs: [500, 1500],
  unplugMs: [1000, 5000],
  dataDestroyWaitMs: 4000,
  busyRetryMs: [1000, 20_000],
  busyTimeoutMs: 2 * 3_600_000,
  coalesceAfterMs: 300_000,
  headerReadMs: 10_000,
  firstHeaderTotalMs: 60_000,
  sessionInactivityMs: 24 * 3_600_000,
  completedTaskKeptMs: 3_900_000,
  pendingTaskKeptMs: 24 * 3_600_000,
};

/** The same order of events in milliseconds, for tests. */
export const FAST_TIMINGS: Timings = {
  ...FAITHFUL_TIMINGS,
  badPasswordMs: 10,
  storageOperationMs: 2,
  plugMs: 5,
  unplugMs: [10, 50],
  dataDestroyWaitMs: 100,
  busyRetryMs: [1, 10],
  busyTimeoutMs: 10_000,
  coalesceAfterMs: 0,
};

export function drawMs(delay: Delay): number {
  if (typeof delay === 'number') return delay;
  const [fromMs, toMs] = delay;
  return fromMs + Math.random() * (toMs - fromMs);
}

/** Waits, unless `signal` says that nobody wants the result any more; then it rejects with the signal's reason. */
export async function pause(delay: Delay, signal?: AbortSignal): Promise<void> {
  const waitMs = drawMs(delay);
  signal?.throwIfAborted();
  if (waitMs <= 0) return;
  try {
    await sleep(waitMs, undefined, signal ? { signal } : {});
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
