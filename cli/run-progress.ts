/** Tells a person what a backup run is doing, from the events of its executions. */

import * as z from 'zod/mini';
import type { HistoryEvent } from '#local/states/history.ts';
import { formatBytes } from './console-text.ts';

const STEPS: Readonly<Record<string, string>> = {
  'snapshot-disks': 'snapshot: preparing the disks on the host',
  'split-extents': 'split: cutting changed blocks into shards',
  'commit-point': 'commit: checking coverage, writing the restore point',
  'release-host': 'release: taking everything off the host',
};

const splitAnswer = z.object({
  shards: z.number(),
  plannedBytes: z.number(),
  readers: z.number(),
  budgetPassed: z.string(),
});
const shardAnswer = z.object({ shard: z.number(), done: z.literal(true) });

export class RunProgress {
  readonly #say: (line: string) => void;
  #shards = 0;
  #done = 0;
  #lastStep = '';

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  readonly onEvent = (event: HistoryEvent): void => {
    if (event.type === 'TaskStateEntered' && event.name !== undefined) this.#entered(event.name);
    if (event.type === 'TaskStateExited') this.#exited(event);
    if (event.type === 'TaskFailed') this.#say(`  the step failed with ${event.error}`);
  };

  #entered(name: string): void {
    const line = STEPS[name];
    if (line === undefined || name === this.#lastStep) return;
    this.#lastStep = name;
    this.#say(line);
  }

  #exited(event: HistoryEvent): void {
    const split = splitAnswer.safeParse(event.output);
    if (event.name === 'split-extents' && split.success) {
      const { shards, plannedBytes, readers, budgetPassed } = split.data;
      if (budgetPassed !== '') this.#say(`budget: ${budgetPassed}`);
      this.#shards = shards;
      this.#done = 0;
      this.#say(`read: ${formatBytes(plannedBytes)} in ${shards} shards, ${readers} at a time`);
    }
    if (event.name === 'read-shard' && shardAnswer.safeParse(event.output).success) {
      this.#done += 1;
      this.#say(`  shard ${this.#done} of ${this.#shards} read`);
    }
  }
}
