/** What a run used until its point was written, for the record in the point: measured by its steps, not estimated. */

import { COMMIT_MEMORY_MIB, READER_MEMORY_MIB } from '#lib/cost/readers.ts';
import { runTransitionsToPoint } from '#lib/cost/run-transitions.ts';
import type { CallRecord } from '#lib/format/call-record.ts';
import type { RunPlan } from '#lib/format/plan.ts';
import type { VmPoint } from '#lib/format/point.ts';
import type { Receipt } from '#lib/format/receipt.ts';
import type { Bytes } from '#lib/units.ts';
import { gbSecondsOf } from './call-records.ts';

/** Requests are added when the point itself has been counted (own-request.ts). */
export function measuredRun(
  { storageClass = 'STANDARD' }: Pick<RunPlan, 'storageClass'>,
  receipts: readonly Receipt[],
  commit: { readonly calls: readonly CallRecord[]; readonly durationMs: number; readonly manifestBytes: Bytes },
): VmPoint['measured'] {
  const sum = (of: (receipt: Receipt) => number) => receipts.reduce((total, receipt) => total + of(receipt), 0);
  const readerMs = sum(({ measured }) => measured.durationMs);
  const checks = receipts.map(({ measured }) => measured.hostCheck).filter((check) => check !== undefined);
  const hostChecks = [...new Set(checks)].toSorted();
  const packBytes = sum(({ pack }) => pack?.bytes ?? 0);
  const { calls, durationMs } = commit;
  const smallBytes = sum(({ pack }) => pack?.indexBytes ?? 0) + commit.manifestBytes;
  return {
    nbdBytes: sum(({ measured }) => measured.nbdBytes),
    nbdRequests: sum(({ measured }) => measured.nbdRequests),
    readerMs,
    readerCalls: receipts.length,
    calls: receipts.length + calls.length + 1,
    failedCalls: calls.filter(({ answered }) => !answered).length,
    gbSeconds:
      calls.reduce((total, { gbSeconds }) => total + gbSeconds, 0) +
      gbSecondsOf({ ms: readerMs, memoryMib: READER_MEMORY_MIB }) +
      gbSecondsOf({ ms: durationMs, memoryMib: COMMIT_MEMORY_MIB }),
    transitions: runTransitionsToPoint(calls, {
      shards: new Set(receipts.map(({ shard }) => shard)).size,
      readerCalls: receipts.length,
    }),
    // Indexes and manifests are always kept in Standard.
    bytesByClass:
      storageClass === 'STANDARD'
        ? { STANDARD: packBytes + smallBytes }
        : { [storageClass]: packBytes, STANDARD: smallBytes },
    ...(hostChecks.length === 0 ? {} : { hostChecks }),
  };
}
