/** A process of its own that fuzzes one parser and tells its parent how it goes: `node player.ts PARSER INPUTS SEED`. */

import { playCampaign } from './campaign.ts';
import { growCorpus } from './corpus.ts';
import { TARGETS } from './targets/all.ts';

/** What a player tells its parent. */
export type PlayerMessage =
  | { readonly kind: 'progress'; readonly inputs: number }
  | {
      readonly kind: 'done';
      readonly inputs: number;
      readonly inputsPerSecond: number;
      readonly refusedShare: number;
      readonly slowestMs: number;
      readonly outcomes: number;
      /** Heap after a collection: how much more at the end than after the first tenth. */
      readonly heapGrowthBytes: number;
      readonly peakRssBytes: number;
    };

// A stack for each of a million refusals would be most of the work; a finding is known by its input.
Error.stackTraceLimit = 0;

const [name = '', inputsText = '', seedText = ''] = process.argv.slice(2);
const target = TARGETS.find((candidate) => candidate.name === name);
if (target === undefined) throw new Error(`there is no parser ${name}`);
const inputs = Number(inputsText);
const tell = (message: PlayerMessage) => process.send?.(message);

function heapBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

let warmHeapBytes: number | undefined;
const figures = await playCampaign(target, {
  inputs,
  seed: Number(seedText),
  onProgress: (played) => {
    if (played >= inputs / 10) warmHeapBytes ??= heapBytes();
    tell({ kind: 'progress', inputs: played });
  },
});
await growCorpus(target.name, figures.outcomes);
tell({
  kind: 'done',
  inputs: figures.inputs,
  inputsPerSecond: Math.round((figures.inputs / figures.durationMs) * 1000),
  refusedShare: figures.refused / figures.inputs,
  slowestMs: figures.slowestMs,
  outcomes: figures.outcomes.size,
  heapGrowthBytes: heapBytes() - (warmHeapBytes ?? 0),
  peakRssBytes: process.resourceUsage().maxRSS * 1024,
});
process.disconnect?.();
