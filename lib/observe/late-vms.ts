/**
 * Which VMs of the vault have no restore point within the objective. It asks the vault alone, so that it also tells of
 * runs that never began.
 */

import { vaultKeys } from '#lib/format/keys.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';

const POINT_KEY = /^vms\/([0-9a-f-]{36})\/points\/(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-/;
const HOUR_MS = 3_600_000;
/**
 * A VM that had no new point for two weeks counts as retired: its points stay, and the alarm has said so for two weeks.
 */
export const RETIRED_AFTER_HOURS = 336;

/** Stands for the VMs that nobody can name, because the vault knows none. */
const NO_VM = 'no VM has a restore point';

export interface Lateness {
  readonly vms: number;
  readonly late: readonly string[];
}

/** Listing the names is enough: they tell VM and time. A vault without any current VM counts as one late VM. */
export async function lateVms(
  store: ObjectStore,
  { now, objectiveHours }: { now: Date; objectiveHours: number },
): Promise<Lateness> {
  const newest = new Map<string, number>();
  for await (const { key } of store.list(vaultKeys.vms())) {
    const [, vm, year, month, day, hour, minute, second] = POINT_KEY.exec(key) ?? [];
    if (vm === undefined) continue;
    const pointMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
    newest.set(vm, Math.max(newest.get(vm) ?? 0, pointMs));
  }
  const hoursSince = (pointMs: number) => (now.getTime() - pointMs) / HOUR_MS;
  const current = [...newest].filter(([, pointMs]) => hoursSince(pointMs) <= RETIRED_AFTER_HOURS);
  const late = current.filter(([, pointMs]) => hoursSince(pointMs) > objectiveHours).map(([vm]) => vm);
  return current.length === 0 ? { vms: 0, late: [NO_VM] } : { vms: current.length, late };
}
