/** Whether a run and its month stay within what a policy may cost; decided before a transfer starts. */

import { Failure } from '#lib/failure.ts';
import type { MonthTerm } from './estimate.ts';
import type { Charge } from './prices.ts';

/** What is about to be paid is more than the budget allows, and the budget says stop. Nothing was transferred. */
export class BudgetExceeded extends Failure {
  static override readonly failureName = 'BudgetExceeded';
}

/** In US dollars, for each VM. */
export interface Budget {
  readonly perRun?: number | undefined;
  /** Runs of 30 days, and storage of everything kept. */
  readonly perMonth?: number | undefined;
  readonly onExceed: 'warn' | 'stop';
}

/** What is compared with a budget: sums of money by what they are paid for. */
export type Spending = Readonly<Partial<Record<MonthTerm, Charge>>>;

const KNOBS: Readonly<Record<MonthTerm, string>> = {
  storage: 'keep fewer points (retention), exclude disks (excludeDisks), or choose another class (vault.storageClass)',
  readers: 'use no more readers than the link can feed (readers), or exclude disks (excludeDisks)',
  control: 'run less often (schedule)',
  workflow: 'run less often (schedule)',
  requests: 'choose STANDARD for what is soon deleted (vault.storageClass), or run less often (schedule)',
  key: 'share the key among installations',
  secret: 'share the secret among pools',
  endpoints: 'use fewer zones or endpoints (network.subnetIds)',
  watching: 'keep logs for less time',
  link: 'share the link, or use a VPN instead of a transit gateway',
};

/** One sentence for each limit that is passed: by how much, because of what, and which setting helps. */
export function passedBudgets(
  budget: Budget,
  expected: { readonly run: Spending; readonly month: Spending },
): string[] {
  return [
    sentence('The run', budget.perRun, expected.run),
    sentence('A month', budget.perMonth, expected.month),
  ].filter((passed) => passed !== undefined);
}

/** Answers with what passes the budget, for whoever warns. Throws BudgetExceeded when the budget says stop instead. */
export function keepBudget({ onExceed }: Pick<Budget, 'onExceed'>, passed: string): string {
  if (passed === '' || onExceed === 'warn') return passed;
  throw new BudgetExceeded(
    `${passed} Nothing was transferred; raise the budget or follow this advice, and start again`,
  );
}

function sentence(what: string, limit: number | undefined, spending: Spending): string | undefined {
  const parts = spendingParts(spending);
  const total = parts.reduce((sum, { dollars }) => sum + dollars, 0);
  const [largest] = parts.toSorted((a, b) => b.dollars - a.dollars);
  if (limit === undefined || largest === undefined || total <= limit) return undefined;
  const money = (dollars: number) => `$${dollars.toFixed(dollars < 1 ? 4 : 2)}`;
  return (
    `${what} will cost about ${money(total)}, which is ${money(total - limit)} more than the budget of ${money(limit)}. ` +
    `The largest part is ${largest.term} with ${money(largest.dollars)}: ${KNOBS[largest.term]}.`
  );
}

function spendingParts(spending: Spending): { readonly term: MonthTerm; readonly dollars: number }[] {
  return MONTH_TERMS.flatMap((term) => {
    const charge = spending[term];
    return charge === undefined ? [] : [{ term, dollars: charge.dollars }];
  });
}

const MONTH_TERMS: readonly MonthTerm[] = [
  'storage',
  'readers',
  'control',
  'workflow',
  'requests',
  'key',
  'secret',
  'endpoints',
  'watching',
  'link',
];
