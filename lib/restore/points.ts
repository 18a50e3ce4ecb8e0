/** Finds restore points: which VMs the vault knows, which points each has, and which one a person means. */

import { Failure } from '#lib/failure.ts';
import { parseDocument } from '#lib/format/document.ts';
import { DamagedObject, UnsupportedFormat } from '#lib/format/failures.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { type PointDisk, type VmPoint, vmPoint } from '#lib/format/point.ts';
import { ObjectNotFound } from '#lib/store/failures.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { VmId } from '#lib/units.ts';

/** No point, or more than one, fits what was asked for. */
export class PointNotFound extends Failure {
  static override readonly failureName = 'PointNotFound';
}

/** A point with the name by which people call it: `<time>-<run>`. */
export interface NamedPoint {
  readonly name: string;
  readonly point: VmPoint;
}

const POINT_KEY = /^vms\/([0-9a-f-]{36})\/points\/(\d{8}T\d{6}Z-[0-9a-f]{16})\.json$/;
/** Points are fetched this many at a time. */
const FETCHES_AT_ONCE = 16;

/** Names tell seconds only; the point itself tells milliseconds, and the ledger the order beyond doubt. */
function byTime({ point: a }: NamedPoint, { point: b }: NamedPoint): number {
  return (
    a.vm.localeCompare(b.vm) || a.time.getTime() - b.time.getTime() || (a.disks[0]?.seq ?? 0) - (b.disks[0]?.seq ?? 0)
  );
}

/** All points of the vault, or of one VM, by VM and then oldest first. Throws on the first that is damaged. */
export async function listPoints(store: ObjectStore, vm?: VmId): Promise<NamedPoint[]> {
  const points: NamedPoint[] = [];
  for await (const some of fetched(store, vm, readPoint)) points.push(...some);
  return points.sort(byTime);
}

export interface UnreadablePoint {
  readonly key: string;
  readonly why: string;
}

/** For those who only tell of points: what cannot be read is named beside the others, and hides none of them. */
export async function listReadablePoints(
  store: ObjectStore,
  vm: VmId,
): Promise<{ readonly points: readonly NamedPoint[]; readonly unreadable: readonly UnreadablePoint[] }> {
  const points: NamedPoint[] = [];
  const unreadable: UnreadablePoint[] = [];
  for await (const some of fetched(store, vm, tryPoint)) {
    for (const each of some) {
      if (each === undefined) continue;
      if ('why' in each) unreadable.push(each);
      else points.push(each);
    }
  }
  return { points: points.sort(byTime), unreadable };
}

/** What `read` makes of every point, a few at a time, in the order of their keys. */
async function* fetched<Item>(
  store: ObjectStore,
  vm: VmId | undefined,
  read: (store: ObjectStore, at: PointKey) => Promise<Item>,
): AsyncGenerator<Item[]> {
  const keys: PointKey[] = [];
  for await (const { key } of store.list(vm === undefined ? vaultKeys.vms() : vaultKeys.points(vm))) {
    const name = POINT_KEY.exec(key)?.[2];
    if (name !== undefined) keys.push({ key, name });
  }
  for (let i = 0; i < keys.length; i += FETCHES_AT_ONCE) {
    yield await Promise.all(keys.slice(i, i + FETCHES_AT_ONCE).map((at) => read(store, at)));
  }
}

interface PointKey {
  readonly key: string;
  readonly name: string;
}

/** Undefined for a point that retention let go since its key was listed. */
async function tryPoint(store: ObjectStore, at: PointKey): Promise<NamedPoint | UnreadablePoint | undefined> {
  try {
    return await readPoint(store, at);
  } catch (failure) {
    if (failure instanceof ObjectNotFound) return undefined;
    if (!(failure instanceof DamagedObject || failure instanceof UnsupportedFormat)) throw failure;
    return { key: at.key, why: failure.message };
  }
}

/** Throws DamagedObject for a point that lies under the name of another: it would be restored as what it is not. */
async function readPoint(store: ObjectStore, { key, name }: PointKey): Promise<NamedPoint> {
  const point = parseDocument(vmPoint, await store.get(key), key);
  if (vaultKeys.point(point.vm, point) === key) return { name, point };
  throw new DamagedObject(
    `${key} is the point of ${point.time.toISOString()} that run ${point.run} made of VM ${point.vm}: it was moved or overwritten; remove it, its own key is ${vaultKeys.point(point.vm, point)}`,
  );
}

export interface PointQuery {
  /** Name of the point, a unique beginning of it, or `latest`. */
  readonly point: string;
  /** UUID or name of the VM; needed when the name fits points of several VMs. */
  readonly vm?: string | undefined;
}

/** Throws PointNotFound with what there is to choose from. */
export async function findPoint(store: ObjectStore, query: PointQuery): Promise<NamedPoint> {
  const held = await listPoints(store);
  const all = held.filter(({ point }) => fits(point, query.vm));
  const found =
    query.point === 'latest' ? newestOf(all, query) : all.filter(({ name }) => name.startsWith(query.point));
  const [only, ...others] = found;
  if (only !== undefined && others.length === 0) return only;
  const many = others.length > 0;
  throw new PointNotFound(
    `${many ? 'More than one' : 'No'} restore point fits ${JSON.stringify(query.point)}${forVm(query)}; ` +
      choice(many ? found : all, held),
  );
}

/** What the last sentence of PointNotFound offers; at most five points, the newest. */
function choice(among: readonly NamedPoint[], held: readonly NamedPoint[]): string {
  if (among.length > 0)
    return `choose from: ${among
      .slice(-5)
      .map(({ name, point }) => `${name} (${point.vmName})`)
      .join(', ')}`;
  if (held.length === 0) return 'the vault holds none; check its address, and that a backup has ended';
  const names = [...new Set(held.map(({ point }) => point.vmName))].slice(0, 5);
  return `the vault holds points of ${names.join(', ')}; blockferry list prints all`;
}

function newestOf(points: readonly NamedPoint[], query: PointQuery): NamedPoint[] {
  const vms = new Set(points.map(({ point }) => point.vm));
  if (vms.size > 1 && query.vm === undefined) return [...points];
  return points.slice(-1);
}

const fits = (point: VmPoint, vm: string | undefined) => vm === undefined || point.vm === vm || point.vmName === vm;
const forVm = ({ vm }: PointQuery) => (vm === undefined ? '' : ` of VM ${vm}`);

/** The disk of a point by VDI uuid, position or name; the only one when nothing is said. Throws PointNotFound. */
export function diskOfPoint({ name, point }: NamedPoint, wanted?: string): PointDisk {
  const found = point.disks.filter(
    ({ disk, device, name: label }) => wanted === undefined || wanted === disk || wanted === device || wanted === label,
  );
  const [only, ...others] = found;
  if (only !== undefined && others.length === 0) return only;
  const disks = point.disks.map(({ disk, device, name: label }) => `${device}: ${disk} (${label})`).join(', ');
  throw new PointNotFound(`Say which disk of point ${name} is meant; it has ${disks}`);
}
