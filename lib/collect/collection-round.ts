/**
 * Collection in rounds, by two functions of which neither can do harm alone: the planner reads the ledger and can delete
 * nothing, the remover deletes and can read no object at all, not even if it wanted to.
 *
 * ```
 *   planRound: ledger, expiries, manifest headers --> names of versions
 *       ^                                                  |
 *       +------------- more left ------- removeVersions <--+
 * ```
 *
 * What is collectible once stays so: it is old, no standing point names it, and later runs build on the newest point only.
 * Hence a removal that comes minutes after its plan, or a second time, takes nothing that is needed.
 */

import type { Clock } from '#lib/clock.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { VaultAccessDenied } from '#lib/store/failures.ts';
import type { ObjectVersion, ObjectVersions } from '#lib/store/object-versions.ts';
import type { Bytes, DiskId } from '#lib/units.ts';
import { listDisks } from '#lib/vault/disks.ts';
import { isCollectible, isOldEnough } from './collectible.ts';
import { type CollectorPorts, planCollection } from './collector.ts';
import { CollectionStopped } from './failures.ts';

/** A disk takes seconds; two minutes cover one with thousands of points. */
const CLOSING_TIME_MS = 120_000;
/** Requests of the remover in flight; each takes a round trip, and S3 accepts thousands a second. */
const REMOVALS_AT_ONCE = 16;

export interface VersionName {
  readonly key: string;
  readonly versionId: string;
}

export interface RoundPorts extends CollectorPorts {
  readonly clock: Clock;
  /** When the function will be killed. */
  readonly deadline: Date;
  /** Of one round: their names travel in a state. */
  readonly mostVersions: number;
}

export interface CollectionRound {
  readonly remove: readonly VersionName[];
  /** Whether another round is due. */
  readonly more: boolean;
  /** How far the rounds have come; the next one begins behind it. */
  readonly after: string;
  /** Disks passed over because what their points need could not be read. */
  readonly stopped: readonly DiskId[];
}

/**
 * Goes through the vault once, in the order of names, whatever becomes of what a round named: a locked version does not
 * come back in the next one. A disk that cannot be judged loses nothing and does not hold up the others.
 */
export async function planRound(ports: RoundPorts, after: string): Promise<CollectionRound> {
  const { clock, deadline, mostVersions } = ports;
  const pending = (await listDisks(ports.store)).filter((disk) => endOf(disk) > after);
  const remove: VersionName[] = [];
  const stopped: DiskId[] = [];
  for (const disk of pending) {
    const found = await versionsToRemove(ports, disk);
    if (found === 'stopped') stopped.push(disk);
    else {
      const due = found.filter((version) => placeOf(version) > after);
      const room = mostVersions - remove.length;
      remove.push(...due.slice(0, room));
      const last = remove.at(-1);
      if (due.length > room) return { remove, more: true, after: last ? placeOf(last) : after, stopped };
    }
    const isLate = clock.now().getTime() >= deadline.getTime() - CLOSING_TIME_MS;
    if (isLate && disk !== pending.at(-1)) return { remove, more: true, after: endOf(disk), stopped };
  }
  return { remove, more: false, after, stopped };
}

/** Places compare as the rounds proceed; `~` comes behind every character of a key. */
const placeOf = ({ key, versionId }: VersionName) => `${key} ${versionId}`;
const endOf = (disk: DiskId) => `${vaultKeys.disks()}${disk}/~`;

async function versionsToRemove(ports: RoundPorts, disk: DiskId): Promise<readonly VersionName[] | 'stopped'> {
  try {
    const { remove } = await planCollection(ports, disk, ports.clock.now());
    const names = remove.map(({ key, versionId }) => ({ key, versionId }));
    return names.toSorted((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1));
  } catch (cause) {
    if (cause instanceof CollectionStopped) return 'stopped';
    throw cause;
  }
}

export interface Removal {
  readonly removed: number;
  readonly bytes: Bytes;
  /** Versions that a lock kept. */
  readonly held: number;
}

/**
 * Removes the versions that a round names, after a look at the listing: only what is on the positive list and old enough
 * goes, whatever the round says. Versions that are gone already are passed over. Throws CollectionStopped for a name
 * that no round may hold; nothing is deleted then.
 */
export async function removeVersions(
  versions: ObjectVersions,
  named: readonly VersionName[],
  now: Date,
): Promise<Removal> {
  const foreign = named.find(({ key }) => !isCollectible(key));
  if (foreign !== undefined) {
    throw new CollectionStopped(`${foreign.key} is not among what the collector may take away; nothing was deleted`);
  }
  const total = { removed: 0, bytes: 0, held: 0 };
  for (let i = 0; i < named.length; i += REMOVALS_AT_ONCE) {
    const batch = named.slice(i, i + REMOVALS_AT_ONCE).map((name) => removeOne(versions, name, now));
    for (const { removed, bytes, held } of await Promise.all(batch)) {
      total.removed += removed;
      total.bytes += bytes;
      total.held += held;
    }
  }
  return total;
}

const NOTHING: Removal = { removed: 0, bytes: 0, held: 0 };

async function removeOne(versions: ObjectVersions, name: VersionName, now: Date): Promise<Removal> {
  const listed = await findVersion(versions, name);
  if (listed === undefined) return NOTHING;
  if (!isOldEnough(listed, now)) {
    throw new CollectionStopped(
      `${name.key} was written at ${listed.lastModified.toISOString()}: too young to be removed`,
    );
  }
  try {
    await versions.remove(listed);
    return { ...NOTHING, removed: 1, bytes: listed.bytes };
  } catch (refusal) {
    if (!(refusal instanceof VaultAccessDenied)) throw refusal;
    return { ...NOTHING, held: 1 };
  }
}

async function findVersion(
  versions: ObjectVersions,
  { key, versionId }: VersionName,
): Promise<ObjectVersion | undefined> {
  for await (const version of versions.list(key)) {
    if (version.key === key && version.versionId === versionId) return version;
  }
  return undefined;
}
