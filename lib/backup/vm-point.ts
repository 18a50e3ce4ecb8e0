/** The restore point of a VM, written when all its disks are committed. */

import { encodeDocument, HEAD } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { sha256Of } from '#lib/format/manifest.ts';
import type { RunPlan } from '#lib/format/plan.ts';
import type { VmPoint } from '#lib/format/point.ts';
import type { Receipt } from '#lib/format/receipt.ts';
import type { RequestCounts } from '#lib/format/request-counts.ts';
import type { ObjectStore, PutOptions } from '#lib/store/object-store.ts';
import { type Bytes, GRAIN_BYTES } from '#lib/units.ts';
import { readCallRecords, sumOfRequests } from './call-records.ts';
import type { LockPorts } from './extend-locks.ts';
import { mapRequests } from './map-requests.ts';
import { measuredRun } from './measured-run.ts';
import { encodeWithRequests } from './own-request.ts';

/** What the run's request says of itself, for the point. */
export type AskedFor = Pick<VmPoint, 'policy' | 'budgetPassed'>;

interface CommittedRun {
  readonly plan: RunPlan;
  readonly receipts: readonly Receipt[];
  readonly asked: AskedFor;
  /** Requests before the commit began. */
  readonly before: RequestCounts | undefined;
  readonly locked: PutOptions;
  readonly began: Date;
  readonly manifestBytes: Bytes;
}

/** `exists`: it was written by an earlier attempt of this very run. */
export async function writePoint(
  { store, clock }: LockPorts,
  { plan, receipts, asked, before, locked, ...commit }: CommittedRun,
): Promise<{ readonly key: string; readonly written: 'created' | 'exists' }> {
  const metadata = await describeMetadata(store, plan, locked);
  const calls = await readCallRecords(store, plan.run, 'before-point');
  const ofMap = receipts.length === 0 ? [] : [await mapRequests(store, plan.run)];
  const finished = clock.now();
  const { began, manifestBytes } = commit;
  const durationMs = finished.getTime() - began.getTime();
  const measured = measuredRun(plan, receipts, { calls, durationMs, manifestBytes });
  const point = { ...pointOf(plan, receipts), finished, measured, ...metadata, ...asked };
  const key = vaultKeys.point(plan.vm, { time: point.time, run: plan.run });
  const others = [...calls, ...receipts.map((receipt) => receipt.measured)].map(({ requests }) => requests);
  const encoded = encodeWithRequests(store.tally, before, (own) => {
    const requests = sumOfRequests([own, ...others, ...ofMap]);
    return encodeDocument({ ...point, measured: { ...measured, ...(requests && { requests }) } });
  });
  return { key, written: await store.putIfAbsent(key, encoded, locked) };
}

/** The VM's metadata are the host's bytes and cannot tell whether they were changed: the point keeps their digest. */
async function describeMetadata(
  store: ObjectStore,
  { metadataKey }: RunPlan,
  { lock }: PutOptions,
): Promise<Pick<VmPoint, 'metadataKey' | 'metadataSha256'>> {
  if (metadataKey === undefined) return {};
  if (lock !== undefined) await store.extendLock(metadataKey, lock);
  return { metadataKey, metadataSha256: sha256Of(await store.get(metadataKey)) };
}

function pointOf(plan: RunPlan, receipts: readonly Receipt[]): Omit<VmPoint, 'finished' | 'measured'> {
  const sum = (of: (receipt: Receipt) => number, among: readonly Receipt[]) =>
    among.reduce((total, receipt) => total + of(receipt), 0);
  return {
    ...HEAD,
    requires: [],
    vm: plan.vm,
    vmName: plan.vmName,
    pool: plan.pool,
    run: plan.run,
    execution: plan.execution,
    time: plan.started,
    disks: plan.disks.map((disk) => {
      const own = receipts.filter((receipt) => receipt.disk === disk.disk);
      return {
        disk: disk.disk,
        seq: (disk.base?.seq ?? 0) + 1,
        name: disk.name,
        device: disk.device,
        bootable: disk.bootable,
        diskBytes: disk.diskBytes,
        kind: disk.kind,
        ...(disk.full === undefined ? {} : { full: disk.full }),
        plannedBytes: disk.plannedGrains * GRAIN_BYTES,
        dataGrains: sum(({ data }) => data, own),
        zeroGrains: sum(({ zero }) => zero, own),
        unchangedGrains: sum(({ unchanged }) => unchanged, own),
        storedBytes: sum(({ pack }) => pack?.bytes ?? 0, own),
      };
    }),
  };
}
