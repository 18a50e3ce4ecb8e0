/** Points that no rule keeps any more, and that a lock keeps all the same. */

import { vaultKeys } from '#lib/format/keys.ts';
import type { VmPoint } from '#lib/format/point.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { DatedPoint, Decision } from './policy.ts';

/**
 * A point whose lock goes on stays: what it consists of cannot be removed and is paid for anyway, so it had better be
 * there to restore from. That happens when rules are made stricter after points were locked by the old ones.
 */
export async function keepLocked<P extends DatedPoint & { readonly point: VmPoint }>(
  store: ObjectStore,
  decisions: readonly Decision<P>[],
  now: Date,
): Promise<Decision<P>[]> {
  const kept: Decision<P>[] = [];
  for (const decision of decisions) {
    const { keep, point } = decision;
    const lock = keep ? undefined : (await store.head(vaultKeys.point(point.point.vm, point.point)))?.lock;
    if (lock === undefined || lock.until <= now) kept.push(decision);
    else kept.push({ point, keep: true, reasons: [`locked until ${lock.until.toISOString()}`] });
  }
  return kept;
}
