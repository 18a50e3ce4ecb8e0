/** Prune: decides which restore points are let go, shows it with reasons and bytes, and carries out exactly that. */

import { vaultKeys } from '#lib/format/keys.ts';
import { listPoints, type NamedPoint } from '#lib/restore/points.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { Bytes, DiskId, RunId, VmId } from '#lib/units.ts';
import { listDisks } from '#lib/vault/disks.ts';
import { letGo } from '#lib/vault/expiries.ts';
import { type DiskHistory, readHeaders, readHistory } from '#lib/vault/live-objects.ts';
import { keepLocked } from './locked-points.ts';
import { type DatedPoint, type Decision, decideRetention, type RetentionPolicy } from './policy.ts';

export interface PointToJudge extends DatedPoint {
  readonly point: NamedPoint['point'];
}

/** A point of a disk that no restore point of a VM names, because a run died between the two. */
export interface UnnamedPoint {
  readonly disk: DiskId;
  readonly seq: number;
}

export interface PrunePlan {
  /** By VM, oldest first. */
  readonly decisions: readonly Decision<PointToJudge>[];
  readonly unnamed: readonly UnnamedPoint[];
  /** Packs, pack indexes and manifests that only the points to go use; they come free after the grace. */
  readonly freedBytes: Bytes;
}

/**
 * The rules for points that a policy of this name asked for; undefined asks for those that no policy did. Points without
 * rules stay.
 */
export type RetentionOf = (policy: string | undefined) => RetentionPolicy | undefined;

interface Facts {
  readonly points: readonly NamedPoint[];
  readonly histories: ReadonlyMap<DiskId, DiskHistory>;
  /** Runs of which any VM has a restore point. */
  readonly namedRuns: ReadonlySet<RunId>;
  readonly retentionOf: RetentionOf;
  readonly now: Date;
}

/** Reads points, ledgers and manifest headers, never a pack. Throws DamagedObject rather than decide on half the facts. */
export async function planPrune(store: ObjectStore, retentionOf: RetentionOf, now: Date): Promise<PrunePlan> {
  const points = await listPoints(store);
  const histories = await readHistories(store, await listDisks(store));
  const namedRuns = new Set(points.map(({ point }) => point.run));
  return planned(store, { points, histories, namedRuns, retentionOf, now });
}

/** The same for one VM and the disks that its points name; others may have points of these disks too. */
export async function planPruneOfVm(
  store: ObjectStore,
  { vm, namedRuns }: { readonly vm: VmId; readonly namedRuns: ReadonlySet<RunId> },
  { retentionOf, now }: Pick<Facts, 'retentionOf' | 'now'>,
): Promise<PrunePlan> {
  const points = await listPoints(store, vm);
  const disks = new Set(points.flatMap(({ point }) => point.disks.map(({ disk }) => disk)));
  return planned(store, { points, histories: await readHistories(store, disks), namedRuns, retentionOf, now });
}

async function readHistories(store: ObjectStore, disks: Iterable<DiskId>): Promise<Map<DiskId, DiskHistory>> {
  const histories = new Map<DiskId, DiskHistory>();
  for (const disk of disks) histories.set(disk, await readHistory(store, disk));
  return histories;
}

async function planned(store: ObjectStore, facts: Facts): Promise<PrunePlan> {
  const { points, histories } = facts;
  const decisions: Decision<PointToJudge>[] = [];
  for (const ofVm of byVm(points).values()) decisions.push(...(await decideForVm(store, ofVm, facts)));
  const going = new Set<string>();
  for (const { point, keep } of decisions) {
    if (!keep) for (const { disk, seq } of point.point.disks) going.add(nameOf(disk, seq));
  }
  const unnamed = [...histories.values()].flatMap((history) => unnamedToGo(history, facts));
  for (const { disk, seq } of unnamed) going.add(nameOf(disk, seq));
  let freedBytes: Bytes = 0;
  for (const history of histories.values()) freedBytes += await bytesFreed(store, history, going);
  return { decisions, unnamed, freedBytes };
}

const nameOf = (disk: DiskId, seq: number) => `${disk}/${seq}`;

function byVm(points: readonly NamedPoint[]): Map<VmId, NamedPoint[]> {
  return Map.groupBy(points, ({ point }) => point.vm);
}

async function decideForVm(
  store: ObjectStore,
  points: readonly NamedPoint[],
  facts: Facts,
): Promise<Decision<PointToJudge>[]> {
  const { histories, retentionOf, now } = facts;
  const whole: PointToJudge[] = [];
  const begun: Decision<PointToJudge>[] = [];
  for (const { name, point } of points) {
    const newestOf = point.disks.find(({ disk, seq }) => histories.get(disk)?.entries.length === seq);
    const gone = point.disks.find(({ disk, seq }) => histories.get(disk)?.expiries.has(seq));
    const pinned = newestOf === undefined ? {} : { pinned: `newest point of disk ${newestOf.disk}` };
    if (gone === undefined) whole.push({ name, time: point.time, point, ...pinned });
    else if (newestOf === undefined) {
      const reasons = ['was being let go when that was interrupted'];
      begun.push({ point: { name, time: point.time, point }, keep: false, reasons });
    }
  }
  // Points of a VM that two policies back up are two calendars: neither fills the days of the other.
  const byRules = Map.groupBy(whole, ({ point }) => retentionOf(point.policy));
  const decided = [...byRules].flatMap(([rules, judged]) =>
    rules === undefined ? judged.map(keptWithoutRules) : decideRetention(judged, rules, now),
  );
  const ordered = decided.toSorted((a, b) => a.point.time.getTime() - b.point.time.getTime());
  return [...begun, ...(await keepLocked(store, ordered, now))];
}

function keptWithoutRules(point: PointToJudge): Decision<PointToJudge> {
  return { point, keep: true, reasons: ['no policy says how long it is kept'] };
}

/**
 * An entry without restore point is judged among all entries of its disk: should the restore points themselves have
 * been lost, the disk's history still goes only as fast as the rules of its newest point let it.
 */
function unnamedToGo({ disk, entries, expiries }: DiskHistory, facts: Facts): UnnamedPoint[] {
  const newest = facts.points.findLast(({ point }) => point.disks.some((each) => each.disk === disk));
  const rules = facts.retentionOf(newest?.point.policy);
  if (rules === undefined) return [];
  const standing = entries.filter(({ entry }) => !expiries.has(entry.seq));
  const judged = standing.map(({ entry }) => ({ name: nameOf(disk, entry.seq), time: entry.time, entry }));
  return decideRetention(judged, rules, facts.now)
    .filter(({ keep, point }) => !keep && point.entry.seq !== entries.length && !facts.namedRuns.has(point.entry.run))
    .map(({ point }) => ({ disk, seq: point.entry.seq }));
}

async function bytesFreed(store: ObjectStore, history: DiskHistory, going: ReadonlySet<string>): Promise<Bytes> {
  const { disk, entries, expiries } = history;
  const standing = entries.filter(({ entry }) => !expiries.has(entry.seq));
  const leaving = standing.filter(({ entry }) => going.has(nameOf(disk, entry.seq)));
  if (leaving.length === 0) return 0;
  const staying = standing.filter((entry) => !leaving.includes(entry));
  const needed = new Set((await readHeaders(store, staying)).flatMap(({ packs }) => packs.map(({ pack }) => pack)));
  const free = new Map<string, Bytes>();
  for (const { packs } of await readHeaders(store, leaving)) {
    for (const { pack, bytes, indexBytes } of packs) if (!needed.has(pack)) free.set(pack, bytes + indexBytes);
  }
  const manifests = leaving.reduce((sum, { entry }) => sum + entry.manifest.bytes, 0);
  return [...free.values()].reduce((sum, bytes) => sum + bytes, manifests);
}

export interface Pruned {
  readonly points: number;
  readonly entries: number;
}

/**
 * Order of effects: the expiries of all disks of a point, then the point itself, its metadata and its closing. A crash in between
 * leaves a point that the next prune recognises and finishes. Nothing is deleted from disks here: that is the collector's.
 */
export async function carryOutPrune(store: ObjectStore, plan: PrunePlan, now: Date): Promise<Pruned> {
  let [points, entries] = [0, 0];
  for (const { point: judged, keep, reasons } of plan.decisions) {
    if (keep) continue;
    const { point, name } = judged;
    for (const { disk, seq } of point.disks) {
      const because = `restore point ${name}: ${reasons.join(', ')}`;
      if ((await letGo(store, { disk, seq, time: now, because })) === 'let-go') entries += 1;
    }
    await store.delete(vaultKeys.point(point.vm, point));
    // By its name, not by what the point says: a forged point must not choose what is deleted.
    if (point.metadataKey !== undefined) await store.delete(vaultKeys.vmMetadata(point.vm, point.run));
    await store.delete(vaultKeys.closing(point.vm, point));
    points += 1;
  }
  for (const { disk, seq } of plan.unnamed) {
    const because = 'no restore point names it and no rule keeps it';
    if ((await letGo(store, { disk, seq, time: now, because })) === 'let-go') entries += 1;
  }
  return { points, entries };
}
