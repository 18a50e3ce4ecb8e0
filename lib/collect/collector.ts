/**
 * The collector takes away what no restore point needs: first a plan that can be printed, then exactly that plan.
 *
 * It removes only what is on its positive list: versions of packs, pack indexes and manifests whose key no standing
 * point names and that are older than a run may last plus the grace. Everything is decided from the ledger, which it
 * reads again right before it deletes. It stops, with nothing deleted, when a ledger entry, an expiry, a manifest header
 * or a key cannot be understood. It reads nothing under the vault's key, so it needs no right to that.
 *
 * Why it is safe beside runs: a run names in its manifest only packs of its base, which is the newest point and never
 * let go, and packs that it wrote itself, which are younger than its limit.
 */

import { vaultKeys } from '#lib/format/keys.ts';
import { VaultAccessDenied } from '#lib/store/failures.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { ObjectVersion, ObjectVersions } from '#lib/store/object-versions.ts';
import type { Bytes, DiskId } from '#lib/units.ts';
import { liveKeys, readHistory } from '#lib/vault/live-objects.ts';
import { isCollectible, isOldEnough } from './collectible.ts';
import { CollectionStopped } from './failures.ts';

/** Each takes a round trip, and nobody waits for a collection. */
const LOCKS_ASKED_AT_ONCE = 16;

export interface CollectorPorts {
  readonly store: ObjectStore;
  readonly versions: ObjectVersions;
}

export interface CollectionPlan {
  readonly disk: DiskId;
  readonly remove: readonly ObjectVersion[];
  readonly bytes: Bytes;
  /** Not needed by any point, but too young to tell whether a run is about to need it. */
  readonly tooYoung: number;
  /** Not needed by any point, but locked: to be removed by a collection after `until`. */
  readonly locked: readonly { readonly version: ObjectVersion; readonly until: Date }[];
}

export interface Collected {
  readonly removed: number;
  readonly bytes: Bytes;
  /** Versions that could not be removed: a legal hold, a lock that came after the plan, or a missing permission. */
  readonly held: readonly string[];
}

/** Throws CollectionStopped, with what was in the way as its cause. */
export async function planCollection(ports: CollectorPorts, disk: DiskId, now: Date): Promise<CollectionPlan> {
  const live = await readLive(ports.store, disk, now);
  const due: ObjectVersion[] = [];
  let tooYoung = 0;
  for (const prefix of [vaultKeys.manifests(disk), vaultKeys.indexes(disk), vaultKeys.packs(disk)]) {
    for await (const version of ports.versions.list(prefix)) {
      if (!isCollectible(version.key)) {
        throw new CollectionStopped(`${version.key} is not a key of the vault; move it away, then collect again`);
      }
      if (live.has(version.key)) continue;
      if (isOldEnough(version, now)) due.push(version);
      else tooYoung += 1;
    }
  }
  const ends = await lockEnds(ports.versions, due);
  const isLocked = (version: ObjectVersion) => (ends.get(version) ?? now) > now;
  const remove = due.filter((version) => !isLocked(version));
  const locked = due.filter(isLocked).map((version) => ({ version, until: ends.get(version) ?? now }));
  return { disk, remove, bytes: remove.reduce((sum, { bytes }) => sum + bytes, 0), tooYoung, locked };
}

/** When the lock of each version ends that has one. Who may not ask learns it from the refusal of the removal. */
async function lockEnds(versions: ObjectVersions, due: readonly ObjectVersion[]): Promise<Map<ObjectVersion, Date>> {
  const ends = new Map<ObjectVersion, Date>();
  const ask = async (version: ObjectVersion) => {
    const lock = version.kind === 'object' ? await versions.lockOf(version) : undefined;
    if (lock !== undefined) ends.set(version, lock.until);
  };
  try {
    for (let i = 0; i < due.length; i += LOCKS_ASKED_AT_ONCE) {
      await Promise.all(due.slice(i, i + LOCKS_ASKED_AT_ONCE).map(ask));
    }
  } catch (refusal) {
    if (!(refusal instanceof VaultAccessDenied)) throw refusal;
  }
  return ends;
}

async function readLive(store: ObjectStore, disk: DiskId, now: Date): Promise<Set<string>> {
  try {
    return await liveKeys(store, await readHistory(store, disk), now);
  } catch (cause) {
    throw new CollectionStopped(
      `what the points of disk ${disk} need could not be read, so nothing was deleted: ${cause instanceof Error ? cause.message : cause}`,
      { cause },
    );
  }
}

/** Deletes what the plan says, each version by its id. May be called again after a crash, or with an old plan. */
export async function carryOutCollection(ports: CollectorPorts, plan: CollectionPlan, now: Date): Promise<Collected> {
  const live = await readLive(ports.store, plan.disk, now);
  const needed = plan.remove.find(({ key }) => live.has(key));
  if (needed !== undefined) {
    throw new CollectionStopped(`${needed.key} is needed again since the plan was made; plan the collection anew`);
  }
  const held: string[] = [];
  let removed = 0;
  let bytes: Bytes = 0;
  for (const version of plan.remove) {
    try {
      await ports.versions.remove(version);
      removed += 1;
      bytes += version.bytes;
    } catch (refusal) {
      if (!(refusal instanceof VaultAccessDenied)) throw refusal;
      held.push(version.key);
    }
  }
  return { removed, bytes, held };
}
