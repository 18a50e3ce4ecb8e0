/** The use case of the state split-extents: bitmaps -> shards.jsonl, unless the run would cost more than it may. */

import type { Clock } from '#lib/clock.ts';
import { type Budget, keepBudget, passedBudgets } from '#lib/cost/budget.ts';
import { expectedRun, type PlannedRun } from '#lib/cost/expected-run.ts';
import { SHIPPED_PRICES } from '#lib/cost/prices.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { listPoints } from '#lib/restore/points.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { type Bytes, GRAIN_BYTES, type RunId, type VmId } from '#lib/units.ts';
import { readPlan, readPlannedGrains } from '#lib/vault/run-documents.ts';
import { cutShards, encodeShards, type PlannedDisk } from './shards.ts';

export interface SplitPorts {
  readonly store: ObjectStore;
  readonly clock: Clock;
  /** Told when the run passes its budget, whether it goes on or not. */
  readonly onBudgetPassed?: () => void;
}

export interface SplitResult {
  readonly shards: number;
  readonly plannedBytes: Bytes;
  readonly readers: number;
  /** Sentences for people when the run costs more than its budget says; otherwise empty. */
  readonly budgetPassed: string;
}

/**
 * Running it twice writes the same bytes: shards depend on the plan and the bitmaps alone, and those never change.
 * Throws BudgetExceeded before anything is written, and before any reader begins.
 */
export async function splitExtents(ports: SplitPorts, run: RunId, budget?: Budget): Promise<SplitResult> {
  const { store } = ports;
  const plan = await readPlan(store, run);
  const disks: PlannedDisk[] = [];
  for (const disk of plan.disks) disks.push({ disk: disk.disk, planned: await readPlannedGrains(store, run, disk) });
  const shards = cutShards(run, disks, plan.readers);
  const plannedGrains = shards.reduce((sum, shard) => sum + shard.plannedGrains, 0);
  const result = { shards: shards.length, plannedBytes: plannedGrains * GRAIN_BYTES, readers: plan.readers };
  const planned = { ...result, storageClass: plan.storageClass ?? 'STANDARD' };
  const budgetPassed = budget === undefined ? '' : await judged(ports, plan.vm, { budget, planned });
  await store.put(vaultKeys.shards(run), encodeShards(shards));
  return { ...result, budgetPassed };
}

async function judged(
  { store, clock, onBudgetPassed }: SplitPorts,
  vm: VmId,
  { budget, planned }: { readonly budget: Budget; readonly planned: PlannedRun },
): Promise<string> {
  const points = (await listPoints(store, vm)).map(({ point }) => point);
  const passed = passedBudgets(budget, expectedRun(SHIPPED_PRICES, planned, { points, now: clock.now() })).join(' ');
  if (passed !== '') onBudgetPassed?.();
  return keepBudget(budget, passed);
}
