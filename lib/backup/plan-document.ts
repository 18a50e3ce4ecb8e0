/** Makes the plan of a run from what the host answered and what the ledger says. */

import { HEAD } from '#lib/format/document.ts';
import type { DiskPlan, RunPlan } from '#lib/format/plan.ts';
import type { StorageClass } from '#lib/store/object-store.ts';
import type { LockRule } from './run-lock.ts';
import type { ComparedDisk, RunRecord } from './run-record.ts';

export function planDocument(facts: {
  readonly record: RunRecord;
  readonly disks: readonly ComparedDisk[];
  readonly readers: number;
  readonly storageClass: StorageClass | undefined;
  readonly lock: LockRule | undefined;
  readonly metadataKey: string;
}): RunPlan {
  const { record, storageClass, lock } = facts;
  return {
    ...HEAD,
    requires: [],
    run: record.run,
    vm: record.vm,
    vmName: record.vmName,
    pool: record.pool,
    execution: record.execution,
    started: record.started,
    readers: facts.readers,
    ...(storageClass === undefined ? {} : { storageClass }),
    ...(lock === undefined ? {} : { lock: { mode: lock.mode, retention: { ...lock.retention } } }),
    metadataKey: facts.metadataKey,
    disks: facts.disks.map(diskPlan),
  };
}

function diskPlan({ disk, name, device, bootable, sr, base, progress }: ComparedDisk): DiskPlan {
  const { snapshot, snapshotTime, diskBytes, changedBlocks, plannedGrains, bitmapSha256, rewrites, full } = progress;
  return {
    disk,
    name,
    device,
    bootable,
    diskBytes,
    snapshot,
    snapshotTime,
    sr,
    changedBlocks,
    ...(full === undefined ? { kind: 'incremental' } : { kind: 'full', full }),
    ...(base === undefined ? {} : { base }),
    plannedGrains,
    ...(bitmapSha256 === undefined ? {} : { bitmapSha256 }),
    ...(rewrites === undefined ? {} : { rewrites }),
  };
}
