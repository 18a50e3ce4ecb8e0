/**
 * Moves locks out as far as the points need them that use an object. Every step may be repeated and goes on where the last
 * one ended: what is locked long enough is passed over.
 *
 * Order: index before pack, packs before manifest, manifest before the VM's point. So a pack's lock speaks for its index,
 * and a point's lock for everything that the point consists of.
 */

import type { Clock } from '#lib/clock.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { ManifestHeader, PackEntry } from '#lib/format/manifest.ts';
import type { VmPoint } from '#lib/format/point.ts';
import { listPoints } from '#lib/restore/points.ts';
import { keptUntil } from '#lib/retention/kept-until.ts';
import { holdsAsWanted, type ObjectLock } from '#lib/store/object-lock.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { DiskId, VmId } from '#lib/units.ts';
import { readEntry } from '#lib/vault/ledger.ts';
import { ManifestReader } from '#lib/vault/manifest-reader.ts';
import { findingOf } from '#lib/verify/failures-as-findings.ts';
import { type LockRule, lockUntil } from './run-lock.ts';

/**
 * Requests in flight. A pack takes one request when nothing is to do and three when its lock is to be moved: 16,384 packs
 * of a disk of 16 TiB at 20 ms a request take 10 and 31 seconds.
 */
const PACKS_AT_ONCE = 32;
/**
 * A pack's lock is moved out by a quarter more than is needed, at most 30 days, so that the packs of a daily backup are
 * not locked anew every day; they stay that much longer at most.
 */
const RESERVE_SHARE = 0.25;
const MOST_RESERVE_MS = 30 * 86_400_000;

export interface LockPorts {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
}

/** Locks every pack and pack index that a manifest names, at least as `wanted` says. */
export async function lockPacks(
  ports: LockPorts,
  { disk, packs }: Pick<ManifestHeader, 'disk' | 'packs'>,
  wanted: ObjectLock,
): Promise<void> {
  const leftMs = wanted.until.getTime() - ports.clock.now().getTime();
  // S3 takes no date that has passed: such a point may go at any moment.
  if (leftMs <= 0) return;
  const untilMs = wanted.until.getTime() + Math.min(leftMs * RESERVE_SHARE, MOST_RESERVE_MS);
  const locks = { wanted, given: lockUntil(wanted, new Date(untilMs)) };
  for (let i = 0; i < packs.length; i += PACKS_AT_ONCE) {
    ports.signal?.throwIfAborted();
    await Promise.all(packs.slice(i, i + PACKS_AT_ONCE).map((pack) => lockPack(ports, { disk, pack }, locks)));
  }
}

async function lockPack(
  { store }: LockPorts,
  { disk, pack }: { readonly disk: DiskId; readonly pack: PackEntry },
  { wanted, given }: { readonly wanted: ObjectLock; readonly given: ObjectLock },
): Promise<void> {
  const key = vaultKeys.pack(disk, pack);
  if (holdsAsWanted((await store.head(key))?.lock, wanted)) return;
  // An index that is lost can be made again from its pack: no reason to end the run, and the verification tells it.
  await findingOf(() => store.extendLock(vaultKeys.packIndex(disk, pack), given));
  await store.extendLock(key, given);
}

/**
 * Locks the points of a VM that belong to one policy, each as long as it is certain to stay. The one of yesterday is now
 * known to be the newest of its day, and perhaps of its month: its lock moves out from days to a year.
 */
export async function lockPoints(
  ports: LockPorts,
  { vm, policy }: { readonly vm: VmId; readonly policy: string | undefined },
  rule: LockRule,
): Promise<void> {
  const points = (await listPoints(ports.store, vm)).filter(({ point }) => point.policy === policy);
  const now = ports.clock.now();
  const ends = keptUntil(
    points.map(({ point }) => point.time),
    rule.retention,
    now,
  );
  for (const [i, { point }] of points.entries()) {
    const until = ends[i];
    if (until === undefined || until <= now) continue;
    // What is damaged is for the verification to tell: it must not end all the runs that come after.
    await findingOf(() => lockPoint(ports, point, lockUntil(rule, until)));
  }
}

async function lockPoint(ports: LockPorts, point: VmPoint, wanted: ObjectLock): Promise<void> {
  const { store } = ports;
  const key = vaultKeys.point(point.vm, point);
  if (holdsAsWanted((await store.head(key))?.lock, wanted)) return;
  for (const { disk, seq } of point.disks) {
    const { entry } = await readEntry(store, { disk, seq });
    const { header } = await ManifestReader.open(store, entry.manifest);
    await lockPacks(ports, header, wanted);
    await store.extendLock(entry.manifest.key, wanted);
    await store.extendLock(vaultKeys.ledgerEntry(disk, seq), wanted);
  }
  if (point.metadataKey !== undefined) await store.extendLock(point.metadataKey, wanted);
  await store.extendLock(key, wanted);
}
