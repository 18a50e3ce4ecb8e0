/** Hints that a VM's newest run is unlike its own history; they say the figures and leave the judgement to people. */

import { bytesText, percentText } from './figures.ts';
import type { PointFacts } from './history.ts';

/** Fewer earlier increments say nothing about what is usual. */
const LEAST_HISTORY = 7;
/** A month of days. */
const HISTORY_POINTS = 30;
/** Change of a day differs by a few times between weekday and weekend; ten times does not happen by itself. */
const UNUSUAL_CHANGE = 10;
/** Content of one kind compresses to within a few percent from day to day; encrypted content not at all. */
const UNUSUAL_RATIO = 0.3;
const UNUSUAL_UNCHANGED = 0.4;
/** Below this a ratio is that of a handful of blocks. */
const LEAST_NEW_BYTES = 16 * 1_048_576;

/** Sentences about the newest point, if it is an increment with enough increments before it. */
export function anomalyHints(points: readonly PointFacts[]): string[] {
  const newest = points.at(-1);
  if (newest === undefined || newest.kind === 'full') return [];
  const before = points
    .slice(0, -1)
    .filter(({ kind }) => kind === 'incremental')
    .slice(-HISTORY_POINTS);
  if (before.length < LEAST_HISTORY) return [];
  return [changeHint(newest, before), ratioHint(newest, before), unchangedHint(newest, before)].filter(
    (hint) => hint !== undefined,
  );
}

function changeHint(newest: PointFacts, before: readonly PointFacts[]): string | undefined {
  const usual = median(before.map(({ changedBytes }) => changedBytes));
  if (newest.changedBytes < LEAST_NEW_BYTES || newest.changedBytes < UNUSUAL_CHANGE * usual) return undefined;
  return `${bytesText(newest.changedBytes)} changed; the median of the last ${before.length} increments is ${bytesText(usual)}.`;
}

function ratioHint(newest: PointFacts, before: readonly PointFacts[]): string | undefined {
  const ratio = ({ storedBytes, newBytes }: PointFacts) => storedBytes / newBytes;
  const withData = before.filter(({ newBytes }) => newBytes > 0);
  if (newest.newBytes < LEAST_NEW_BYTES || withData.length < LEAST_HISTORY) return undefined;
  const usual = median(withData.map(ratio));
  if (ratio(newest) - usual < UNUSUAL_RATIO) return undefined;
  return `New content took ${percentText(ratio(newest))} of its size after compression; usual are ${percentText(usual)}.`;
}

function unchangedHint(newest: PointFacts, before: readonly PointFacts[]): string | undefined {
  const share = ({ unchangedBytes, changedBytes }: PointFacts) => unchangedBytes / Math.max(1, changedBytes);
  if (newest.changedBytes < LEAST_NEW_BYTES) return undefined;
  const usual = median(before.map(share));
  if (Math.abs(share(newest) - usual) < UNUSUAL_UNCHANGED) return undefined;
  return `Of what the host reported as changed, ${percentText(share(newest))} held the same content as before; usual are ${percentText(usual)}.`;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}
