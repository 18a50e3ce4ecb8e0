/** Runs two sides in turn, so that a machine that gets slower or faster meanwhile does it to both. */

import type { Usage } from './command.ts';

/** Fewer say nothing on a shared machine. */
export const PAIRS = 5;

export type Sample = Pick<Usage, 'seconds' | 'cpuSeconds' | 'peakMib'>;

export interface Pairs {
  readonly ours: readonly Sample[];
  readonly peer: readonly Sample[];
}

export async function alternate(sides: {
  readonly ours: () => Promise<Sample>;
  readonly peer: () => Promise<Sample>;
}): Promise<Pairs> {
  const ours: Sample[] = [];
  const peer: Sample[] = [];
  for (let pair = 0; pair < PAIRS; pair++) {
    ours.push(await sides.ours());
    peer.push(await sides.peer());
  }
  return { ours, peer };
}

/** The median of what ours is to the peer, pair by pair. */
export function ratio({ ours, peer }: Pairs, field: keyof Sample): number {
  return median(ours.map((sample, i) => sample[field] / (peer[i]?.[field] ?? Number.NaN)));
}

/** How much faster ours is: 1 is equal. */
export function speed(pairs: Pairs): number {
  return 1 / ratio(pairs, 'seconds');
}

export function medianOf(samples: readonly Sample[], field: keyof Sample): number {
  return median(samples.map((sample) => sample[field]));
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
