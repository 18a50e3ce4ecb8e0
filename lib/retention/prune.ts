/** Prune: decides which restore points are let go, shows it with reasons and bytes, and carries out exactly that. */

import { vaultKeys } from '#lib/format/keys.ts';
import { listPoints, type NamedPoint } from '#lib/restore/points.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { Bytes, DiskId, VmId } from '#lib/units.ts';
import { listDisks } from '#lib/vault/disks.ts';
import { letGo } from '#lib/vault/expiries.ts';
import { type DiskHistory, readHeaders, readHistory } from '#lib/vault/live-objects.ts';
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

/** Reads points, ledgers and manifest headers, never a pack. Throws DamagedObject rather than decide on half the facts. */
export async function planPrune(store: ObjectStore, policy: RetentionPolicy, now: Date): Promise<PrunePlan> {
  const points = await listPoints(store);
  const histories = new Map<DiskId, DiskHistory>();
  for (const disk of await listDisks(store)) histories.set(disk, await readHistory(store, disk));
  const decisions = [...byVm(points).values()].flatMap((ofVm) => decideForVm(ofVm, { histories, policy, now }));
  const going = new Set<string>();
  for (const { point, keep } of decisions) {
    if (!keep) for (const { disk, seq } of point.point.disks) going.add(nameOf(disk, seq));
  }
  const named = new Set(points.flatMap(({ point }) => point.disks.map(({ disk, seq }) => nameOf(disk, seq))));
  const unnamed = [...histories.values()].flatMap((history) => unnamedToGo(history, named, { policy, now }));
  for (const { disk, seq } of unnamed) going.add(nameOf(disk, seq));
  let freedBytes: Bytes = 0;
  for (const history of histories.values()) freedBytes += await bytesFreed(store, history, going);
  return { decisions, unnamed, freedBytes };
}

const nameOf = (disk: DiskId, seq: number) => `${disk}/${seq}`;

function byVm(points: readonly NamedPoint[]): Map<VmId, NamedPoint[]> {
  const groups = new Map<VmId, NamedPoint[]>();
  for (const point of points) groups.set(point.point.vm, [...(groups.get(point.point.vm) ?? []), point]);
  return groups;
}

interface Facts {
  readonly histories: ReadonlyMap<DiskId, DiskHistory>;
  readonly policy: RetentionPolicy;
  readonly now: Date;
}

function decideForVm(points: readonly NamedPoint[], { histories, policy, now }: Facts): Decision<PointToJudge>[] {
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
  return [...begun, ...decideRetention(whole, policy, now)];
}

/**
 * An entry without restore point is judged among all entries of its disk: should the restore points themselves have
 * been lost, the disk's history still goes only as fast as the policy lets it.
 */
function unnamedToGo(
  { disk, entries, expiries }: DiskHistory,
  named: ReadonlySet<string>,
  { policy, now }: Pick<Facts, 'policy' | 'now'>,
): UnnamedPoint[] {
  const standing = entries.filter(({ entry }) => !expiries.has(entry.seq));
  const judged = standing.map(({ entry }) => ({ name: nameOf(disk, entry.seq), time: entry.time, seq: entry.seq }));
  return decideRetention(judged, policy, now)
    .filter(({ keep, point }) => !keep && point.seq !== entries.length && !named.has(point.name))
    .map(({ point }) => ({ disk, seq: point.seq }));
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
 * Order of effects: the expiries of all disks of a point, then the point itself and its metadata. A crash in between
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
    if (point.metadataKey !== undefined) await store.delete(point.metadataKey);
    points += 1;
  }
  for (const { disk, seq } of plan.unnamed) {
    const because = 'no restore point names it and no rule keeps it';
    if ((await letGo(store, { disk, seq, time: now, because })) === 'let-go') entries += 1;
  }
  return { points, entries };
}
