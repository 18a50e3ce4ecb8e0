/** An estimate as it reads on a terminal: every sum with the multiplication behind it. */

import type { Difference } from '#lib/cost/difference.ts';
import { type MonthEstimate, type RunEstimate, type Setup, totalOf } from '#lib/cost/estimate.ts';
import { type Charge, describePrices, type PriceList } from '#lib/cost/prices.ts';
import type { Recommendation } from '#lib/cost/recommendation.ts';
import type { Sizes } from '#lib/cost/workload.ts';
import { formatBytes, formatDuration, formatTable } from './console-text.ts';

export interface EstimateResult {
  readonly prices: PriceList;
  readonly sizes: Sizes;
  readonly setup: Setup;
  readonly runs: { readonly full: RunEstimate; readonly increment: RunEstimate };
  readonly months: { readonly first: MonthEstimate; readonly steady: MonthEstimate };
  readonly restore: Charge;
  readonly advice: readonly Recommendation[];
  readonly last?: Difference;
}

export function estimateText(result: EstimateResult, now: Date): string {
  const { sizes, setup, runs, months, restore, advice, last, prices } = result;
  const parts = [
    `From ${sizes.source}:\na full of ${formatBytes(sizes.fullBytes)}, increments of ${formatBytes(sizes.incrementBytes)}, of which ${(sizes.storedRatio * 100).toFixed(0)} % are left after compression.`,
    runText('A full', runs.full, setup),
    runText('An increment', runs.increment, setup),
    monthText('The first month, with the full', months.first),
    monthText('Each month once retention has reached its depth', months.steady),
    `Bringing a full restore home: ${dollars(restore)} = ${restore.arithmetic}`,
    ...(last === undefined ? [] : [lastText(last)]),
    `Recommended:\n${formatTable(
      ['SETTING', 'VALUE', 'BECAUSE'],
      advice.map(({ setting, value, because }) => [setting, value, because]),
    )}`,
    `Prices: ${describePrices(prices, now)}.`,
  ];
  return `${parts.join('\n\n')}\n`;
}

function runText(what: string, { terms, wallSeconds }: RunEstimate, { readers }: Setup): string {
  const time = formatDuration(wallSeconds * 1000);
  return `${what}: $${totalOf(terms).toFixed(4)}, ${time} with ${readers} readers\n${termTable(terms)}`;
}

function monthText(what: string, month: MonthEstimate): string {
  return `${what}: $${totalOf(month).toFixed(2)}\n${termTable(month)}`;
}

/** Every sum with its multiplication. */
export function termTable(terms: Readonly<Record<string, Charge>>): string {
  const rows = Object.entries(terms).map(([term, charge]) => [term, dollars(charge), charge.arithmetic]);
  return formatTable(['FOR', 'DOLLARS', 'ARITHMETIC'], rows);
}

function lastText({ estimatedDollars, actualDollars, explanation }: Difference): string {
  const why = explanation === undefined ? '' : `; ${explanation}`;
  return `The newest run: $${actualDollars.toFixed(5)} measured, $${estimatedDollars.toFixed(5)} estimated${why}.`;
}

const dollars = ({ dollars: amount }: Charge) => (amount > 0 && amount < 0.01 ? amount.toFixed(5) : amount.toFixed(2));
