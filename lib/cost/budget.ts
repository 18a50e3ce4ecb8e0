/** Whether a month stays within what a policy may cost; decided before a transfer starts. */

import type { MonthEstimate, MonthTerm } from './estimate.ts';
import { totalOf } from './estimate.ts';

export interface Budget {
  /** For a month, in US dollars. */
  readonly dollars: number;
  readonly whenPassed: 'warn' | 'stop';
}

export type BudgetVerdict =
  | { readonly kind: 'within' }
  /** `sentence` says by how much, because of what, and which setting helps. */
  | { readonly kind: 'warn' | 'stop'; readonly sentence: string };

const KNOBS: Readonly<Record<MonthTerm, string>> = {
  storage: 'keep fewer points (retention), exclude disks, or choose another storage class (vault.storageClass)',
  readers: 'use no more readers than the link can feed (readers)',
  control: 'run less often (schedule)',
  workflow: 'run less often (schedule)',
  requests: 'choose STANDARD for what is soon deleted (vault.storageClass), or run less often (schedule)',
  key: 'share the key among installations',
  secret: 'share the secret among pools',
  endpoints: 'use fewer zones or endpoints (network.subnetIds)',
  watching: 'keep logs for less time',
  link: 'share the link, or use a VPN instead of a transit gateway',
};

export function judgeBudget(budget: Budget, month: MonthEstimate): BudgetVerdict {
  const total = totalOf(month);
  if (total <= budget.dollars) return { kind: 'within' };
  const [term, charge] = largestTerm(month);
  const sentence =
    `A month costs about $${total.toFixed(2)}, which is $${(total - budget.dollars).toFixed(2)} more than the budget of ` +
    `$${budget.dollars.toFixed(2)}. The largest part is ${term} with $${charge.dollars.toFixed(2)}: ${KNOBS[term]}.`;
  return { kind: budget.whenPassed, sentence };
}

function largestTerm(month: MonthEstimate) {
  const terms: readonly MonthTerm[] = [
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
  const largest = terms.reduce((best, term) => (month[term].dollars > month[best].dollars ? term : best));
  return [largest, month[largest]] as const;
}
