/** The use case of the state prune-points: lets points go, a VM at a time, for as long as one call may take. */

import type { Clock } from '#lib/clock.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { parseRunId, parseVmId, type RunId, type VmId } from '#lib/units.ts';
import { carryOutPrune, planPruneOfVm, type RetentionOf } from './prune.ts';

/** One VM takes seconds: its points, the ledgers of its disks and the headers of what goes are read, nothing larger. */
const CLOSING_TIME_MS = 120_000;

export interface PruneVmsPorts {
  readonly store: ObjectStore;
  readonly clock: Clock;
  /** When the function will be killed. */
  readonly deadline: Date;
}

export interface PrunedVms {
  readonly done: boolean;
  /** The last VM that was looked at; the next call begins behind it. */
  readonly after: VmId | '';
  readonly letGo: number;
}

/** VMs come in the order of their ids, so that a call goes on where the one before stopped. */
export async function pruneVms(
  { store, clock, deadline }: PruneVmsPorts,
  retentionOf: RetentionOf,
  after: string,
): Promise<PrunedVms> {
  const { vms, namedRuns } = await listNames(store);
  const pending = vms.filter((vm) => vm > after);
  let letGo = 0;
  for (const vm of pending) {
    const now = clock.now();
    const plan = await planPruneOfVm(store, { vm, namedRuns }, { retentionOf, now });
    letGo += (await carryOutPrune(store, plan, now)).points;
    const isLast = vm === pending.at(-1);
    if (!isLast && clock.now().getTime() >= deadline.getTime() - CLOSING_TIME_MS)
      return { done: false, after: vm, letGo };
  }
  return { done: true, after: pending.at(-1) ?? '', letGo };
}

const POINT_KEY = /^vms\/([0-9a-f-]{36})\/points\/[^/]+-([0-9a-f]{16})\.json$/;

/** The names of points tell VM and run: a run that died before it wrote its point is in none of them. */
async function listNames(store: ObjectStore): Promise<{ vms: readonly VmId[]; namedRuns: ReadonlySet<RunId> }> {
  const vms = new Set<VmId>();
  const namedRuns = new Set<RunId>();
  for await (const { key } of store.list(vaultKeys.vms())) {
    const [, vm, run] = POINT_KEY.exec(key) ?? [];
    if (vm === undefined || run === undefined) continue;
    vms.add(parseVmId(vm));
    namedRuns.add(parseRunId(run));
  }
  return { vms: [...vms].toSorted(), namedRuns };
}
