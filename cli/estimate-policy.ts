/** blockferry estimate --policy: every VM that a policy selects, by its own points where it has some. */

import type { Setup } from '#lib/cost/estimate.ts';
import { totalOf } from '#lib/cost/estimate.ts';
import { estimatePolicy } from '#lib/cost/policy-estimate.ts';
import { describePrices, type PriceList } from '#lib/cost/prices.ts';
import { allocatedBytesOf, type Sizes, sizesOfAllocated, sizesOfPoints, workloadOf } from '#lib/cost/workload.ts';
import type { InventoryVm } from '#lib/format/inventory.ts';
import { readInventories } from '#lib/report/kept-inventories.ts';
import { policySelecting } from '#lib/report/policy.ts';
import { listPoints } from '#lib/restore/points.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { parseVmId } from '#lib/units.ts';
import { summaryOf } from '#lib/workflow/policy-summary.ts';
import { formatBytes, formatTable } from './console-text.ts';
import { termTable } from './estimate-text.ts';
import { policiesAs } from './settings-policies.ts';
import { UsageError } from './vault-options.ts';

export interface PolicyRequest {
  readonly policy: string;
  readonly settings: string;
  readonly runs: number;
  readonly keep: number;
}

interface SizedVm {
  readonly name: string;
  readonly sizes: Sizes;
}

export async function policyEstimate(
  store: ObjectStore,
  { policy, settings, runs, keep }: PolicyRequest,
  { prices, setup }: { readonly prices: PriceList; readonly setup: Setup },
) {
  const vms = await vmsOf(store, policy, settings);
  const loads = vms.map(({ sizes }) => workloadOf(sizes, { readers: setup.readers, runsPerMonth: runs, kept: keep }));
  const [load, ...others] = loads;
  if (load === undefined) {
    throw new UsageError(
      `the inventories in the vault have no VM that policy ${policy} selects; the daily upkeep takes them, or estimate a single VM with --vm`,
    );
  }
  const month = (which: 'first' | 'steady') => estimatePolicy(prices, setup, { loads: [load, ...others], which });
  return { policy, prices, vms, months: { first: month('first'), steady: month('steady') } };
}

/** VMs whose first policy is this one, with the changed blocks of their increments, or with what is allocated. */
async function vmsOf(store: ObjectStore, name: string, settings: string): Promise<SizedVm[]> {
  const policies = await policiesAs(settings, summaryOf);
  if (!policies.some(({ policy }) => policy === name)) throw new UsageError(`${settings} has no policy ${name}`);
  const selected: InventoryVm[] = (await readInventories(store)).flatMap(({ pool, vms }) =>
    vms.filter((vm) => policySelecting(policies, vm, pool)?.policy === name),
  );
  const sized: SizedVm[] = [];
  for (const vm of selected) {
    const points = (await listPoints(store, parseVmId(vm.uuid))).map(({ point }) => point);
    sized.push({ name: vm.name, sizes: sizesOfPoints(points) ?? sizesOfAllocated(allocatedBytesOf(vm)) });
  }
  return sized;
}

export function policyText(
  { policy, vms, months, prices }: Awaited<ReturnType<typeof policyEstimate>>,
  now: Date,
): string {
  const rows = vms.map(({ name, sizes }, index) => [
    name,
    formatBytes(sizes.fullBytes),
    formatBytes(sizes.incrementBytes),
    `$${(months.steady.vmDollars[index] ?? 0).toFixed(2)}`,
    sizes.source,
  ]);
  const parts = [
    `Policy ${policy}, ${vms.length} VMs:\n${formatTable(['VM', 'FULL', 'INCREMENT', 'A MONTH', 'FROM'], rows)}`,
    `The first month, with the fulls: $${totalOf(months.first.total).toFixed(2)}\n${termTable(months.first.total)}`,
    `Each month once retention has reached its depth: $${totalOf(months.steady.total).toFixed(2)}\n${termTable(months.steady.total)}`,
    `Prices: ${describePrices(prices, now)}.`,
  ];
  return `${parts.join('\n\n')}\n`;
}
