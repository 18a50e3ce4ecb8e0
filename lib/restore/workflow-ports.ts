/** What the steps of a restore work with, and how each of them finds the restore that it belongs to. */

import { openHostSession, type PoolSettings, type Pools } from '#lib/backup/host-access.ts';
import type { ExportPorts } from '#lib/backup/open-export.ts';
import { runIdOf } from '#lib/backup/run-id.ts';
import type { Clock } from '#lib/clock.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { type DiskId, parseDiskId } from '#lib/units.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { RestoredDiskMissing } from './failures.ts';
import type { HostAccess } from './host-transfer.ts';
import { diskOfPoint, findPoint, type NamedPoint } from './points.ts';
import { originOf } from './restore-marks.ts';
import { type RestoredDisk, readRestored } from './restored-objects.ts';

/** Of a step that talks to the pool only. */
export interface PoolPorts {
  readonly pools: Pools;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface RestorePorts extends PoolPorts {
  readonly store: ObjectStore;
}

/** Of a step that is called again until it is done. */
export interface RangePorts extends RestorePorts {
  /** When its time is used up. */
  readonly deadline: Date;
}

export interface VerifyPorts extends RangePorts {
  readonly connect: ExportPorts['connect'];
}

export interface RestoreInput {
  readonly point: string;
  readonly vm?: string | undefined;
  readonly pool?: string | undefined;
  readonly sr: string;
  readonly as: 'vm' | 'disks';
  readonly disks?: readonly string[] | undefined;
  readonly name?: string | undefined;
  readonly identity: 'new' | 'kept';
}

export interface RestoreRequest {
  /** ARN of the execution: the restore's id comes from it. */
  readonly execution: string;
  readonly request: RestoreInput;
}

export interface RangeRequest {
  readonly runId: string;
  readonly pool?: string | undefined;
  readonly disk: string;
  readonly seq: number;
}

/**
 * A session that ends with the step. Each step logs in by itself: nothing has to be handed on, and a step that is killed
 * leaves a session that the host collects after 24 h of silence.
 */
export async function openAccess(
  { pools, clock, signal }: PoolPorts,
  poolName: string | undefined,
): Promise<HostAccess & AsyncDisposable & { readonly pool: PoolSettings }> {
  const pool = pools.named(poolName);
  const session: XapiSession = await openHostSession(pool, undefined, { clock, signal });
  const dispose = () => session[Symbol.asyncDispose]();
  return { session, otherHosts: pool.redirects, clock, signal, pool, [Symbol.asyncDispose]: dispose };
}

/** The point that was asked for, and those of its disks that were. */
export async function chosenPoint(store: ObjectStore, request: RestoreInput) {
  const point = await findPoint(store, { point: request.point, vm: request.vm });
  const disks = request.disks?.map((wanted) => diskOfPoint(point, wanted)) ?? point.point.disks;
  return { point, disks };
}

export function restoredVmName({ name }: RestoreInput, { point }: NamedPoint): string {
  return name ?? `${point.vmName} (restored)`;
}

export const restoreIdOf = ({ execution }: RestoreRequest) => runIdOf(execution);

/** The content and the disk on the host that is to have it. Throws RestoredDiskMissing. */
export async function openRange(
  store: ObjectStore,
  session: XapiSession,
  { runId, disk, seq }: RangeRequest,
): Promise<{ readonly content: DiskContent; readonly disk: RestoredDisk }> {
  const id: DiskId = parseDiskId(disk);
  const content = await DiskContent.open(store, { disk: id, seq });
  const origin = originOf(content);
  const { disks } = await readRestored(session);
  const found = disks.find(({ mark }) => mark.id === runId && mark.from === origin && mark.incomplete);
  if (found !== undefined) return { content, disk: found };
  throw new RestoredDiskMissing(
    `The pool has no unfinished disk of restore ${runId} for disk ${disk}: somebody removed it; start the restore again`,
  );
}
