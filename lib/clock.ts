/** Time as a parameter: the library never reads the clock by itself. */
export interface Clock {
  now(): Date;
  /** Resolves after `durationMs`; rejects with the signal's reason when it fires first. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
}
