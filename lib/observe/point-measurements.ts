/** What a restore point tells about its run, as measurements. */

import type { PointDisk, VmPoint } from '#lib/format/point.ts';
import { GRAIN_BYTES, MIB } from '#lib/units.ts';
import type { MeasuredRun, Measurements } from '#lib/workflow/metrics.ts';

/** Reasons for a full that nobody has to look after: the first one of a disk, and what follows from it. */
const EXPECTED_FULLS: ReadonlySet<string> = new Set(['first-backup', 'cbt-was-off', 'disk-shrank']);

export function measurementsOf({ disks, measured }: VmPoint): Measurements {
  const sum = (of: (disk: PointDisk) => number) => disks.reduce((total, disk) => total + of(disk), 0);
  const unexpected = disks.filter(({ full }) => full !== undefined && !EXPECTED_FULLS.has(full.because));
  const rate =
    measured.readerMs === 0 ? {} : { ReaderMibPerSecond: (measured.nbdBytes * 1000) / measured.readerMs / MIB };
  return {
    ChangedBytes: sum(({ plannedBytes }) => plannedBytes),
    StoredBytes: sum(({ storedBytes }) => storedBytes),
    ZeroBytes: sum(({ zeroGrains }) => zeroGrains * GRAIN_BYTES),
    UnchangedBytes: sum(({ unchangedGrains }) => unchangedGrains * GRAIN_BYTES),
    Retries: measured.failedCalls ?? 0,
    UnexpectedFulls: unexpected.length,
    ...changedPercent(disks.filter(({ kind }) => kind === 'incremental')),
    ...rate,
  };
}

export function measuredRunOf({ vm, run, disks }: VmPoint): MeasuredRun {
  const causes = disks.flatMap(({ full }) => (full === undefined ? [] : [full.because]));
  return { vm, run, fullsBecause: [...new Set(causes)].toSorted() };
}

/** Absent without any incremental disk: a full says nothing about how much the guest writes. */
function changedPercent(incremental: readonly PointDisk[]): Measurements {
  const diskBytes = incremental.reduce((total, disk) => total + disk.diskBytes, 0);
  if (diskBytes === 0) return {};
  const changedBytes = incremental.reduce((total, disk) => total + disk.plannedBytes, 0);
  return { ChangedPercent: (100 * changedBytes) / diskBytes };
}
