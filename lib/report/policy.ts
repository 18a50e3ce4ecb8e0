/** What the report knows of the settings: which policy a VM belongs to, and when that policy runs next. */

import { isSelected, type Selection } from '#lib/fleet/select-vms.ts';
import type { InventoryVm } from '#lib/format/inventory.ts';
import type { RetentionPolicy } from '#lib/retention/policy.ts';

export interface PolicySummary extends Selection {
  readonly pool?: string | undefined;
  /** Time of day as `HH:MM`, in a zone of the tz database. */
  readonly at: string;
  readonly timezone: string;
  readonly excludeDisks?: readonly string[] | undefined;
  readonly retention?: RetentionPolicy | undefined;
}

/** The first policy that selects the VM of this pool. */
export function policySelecting(
  policies: readonly PolicySummary[],
  vm: Pick<InventoryVm, 'uuid' | 'name' | 'tags'>,
  pool: string,
): PolicySummary | undefined {
  return policies.find(
    (policy) =>
      (policy.pool === undefined || policy.pool === pool) &&
      isSelected(policy, { uuid: vm.uuid, nameLabel: vm.name, tags: vm.tags }),
  );
}

/** Two days from now on include every time of day, also where a clock change skips an hour. */
const DAYS_LOOKED_AT = 3;

/** The first time after `now` at which it is `at` in the policy's zone. */
export function nextRun({ at, timezone }: Pick<PolicySummary, 'at' | 'timezone'>, now: Date): Date {
  const [hour = 0, minute = 0] = at.split(':').map(Number);
  const local = new Date(now.getTime() + zoneOffsetMs(timezone, now));
  for (let day = 0; day < DAYS_LOOKED_AT; day++) {
    const wall = Date.UTC(local.getUTCFullYear(), local.getUTCMonth(), local.getUTCDate() + day, hour, minute);
    const guess = new Date(wall - zoneOffsetMs(timezone, new Date(wall)));
    // The offset at the guess decides: the first one was taken some hours beside it.
    const time = new Date(wall - zoneOffsetMs(timezone, guess));
    if (time > now) return time;
  }
  throw new RangeError(`no time ${at} in ${timezone} within ${DAYS_LOOKED_AT} days of ${now.toISOString()}`);
}

/** How far the wall clock of the zone is ahead of UTC. */
function zoneOffsetMs(timeZone: string, time: Date): number {
  const fields = { year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric' } as const;
  const parts = new Intl.DateTimeFormat('en-US', { timeZone, hourCycle: 'h23', ...fields }).formatToParts(time);
  const of = (type: Intl.DateTimeFormatPartTypes) => Number(parts.find((part) => part.type === type)?.value);
  const wall = Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'));
  return wall - Math.floor(time.getTime() / MINUTE_MS) * MINUTE_MS;
}

const MINUTE_MS = 60_000;
