/** The port by which a run learns whether the run that holds a lease is still alive. */

export interface Executions {
  /**
   * Whether the execution may still act. False only on certain knowledge: it ended, or it never existed. Doubt is a
   * failure, because a lease taken from a living run would let two runs work on one disk.
   */
  isRunning(execution: string, options?: { signal?: AbortSignal }): Promise<boolean>;
}
