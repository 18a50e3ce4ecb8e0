/** How long each wait of an NBD connection may take. */

import type { Failure } from '#lib/failure.ts';

export interface NbdDeadlines {
  readonly connectMs: number;
  readonly greetingMs: number;
  readonly startTlsMs: number;
  readonly tlsMs: number;
  readonly exportMs: number;
  readonly progressMs: number;
  readonly closeMs: number;
}

export const NBD_DEADLINES: NbdDeadlines = {
  /** Linux sends SYN at 0, 1, 3 and 7 s: four lost packets mean that nobody is there. */
  connectMs: 15_000,
  /** Before it greets, the host's server asks the API which networks may use NBD and retries that for up to 300 s. */
  greetingMs: 330_000,
  /** The acknowledgement costs the host nothing but its turn in a single-threaded server that 16 clients share. */
  startTlsMs: 30_000,
  /** Two round trips and one private key operation in the same single thread. */
  tlsMs: 30_000,
  /** The host plugs the disk into dom0 before it answers, and that waits for the storage repository's locks. */
  exportMs: 180_000,
  /** The longest silence while a reply is owed: a storage path that fails over takes one to two minutes. */
  progressMs: 150_000,
  /** The host first writes the replies it still owes: 16 MiB take 8 s at 2 MiB/s. */
  closeMs: 10_000,
};

/** Ends a wait: `expired` says what did not happen in time, `abandoned` what the caller gave up. */
export interface WaitLimits {
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
  readonly expired: () => Failure;
  readonly abandoned: (reason: unknown) => Failure;
}

/** The outcome of `work`, unless the deadline passes or the signal fires first. The work itself is not stopped. */
export async function within<T>(limits: WaitLimits, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(limits.abandoned(limits.signal?.reason));
  if (limits.signal?.aborted) onAbort();
  const timer = setTimeout(() => reject(limits.expired()), limits.deadlineMs);
  limits.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
    limits.signal?.removeEventListener('abort', onAbort);
  }
}
