/** What the VMs of a policy will cost together: each VM's runs and storage, and once what the installation pays anyway. */

import {
  estimateMonth,
  type MonthEstimate,
  type MonthTerm,
  movedBytes,
  type Setup,
  type Workload,
} from './estimate.ts';
import { linkMonth } from './link.ts';
import { type PriceList, together } from './prices.ts';

/** Terms that grow with each VM; the others are those of the installation. */
const OF_EACH_VM: readonly MonthTerm[] = ['storage', 'readers', 'control', 'workflow', 'requests'];

export interface PolicyMonth {
  /** In the order of the workloads. */
  readonly vmDollars: readonly number[];
  readonly total: MonthEstimate;
}

/** `loads` has at least one. */
export function estimatePolicy(
  prices: PriceList,
  setup: Setup,
  { loads, which }: { readonly loads: readonly [Workload, ...Workload[]]; readonly which: 'first' | 'steady' },
): PolicyMonth {
  const months = loads.map((load) => estimateMonth(prices, setup, { ...load, which }));
  const installation = estimateMonth(prices, setup, { ...loads[0], which });
  const own = OF_EACH_VM.map((term) => [term, together(...months.map((month) => month[term]))] as const);
  const moved = loads.reduce((sum, load) => sum + movedBytes(load, which), 0);
  return {
    vmDollars: months.map((month) => OF_EACH_VM.reduce((sum, term) => sum + month[term].dollars, 0)),
    total: { ...installation, ...Object.fromEntries(own), link: linkMonth(prices, setup.link, moved) },
  };
}
