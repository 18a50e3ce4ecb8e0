/** What a run used, for the record in its point: measured by its readers and by the commit, not estimated. */

import { COMMIT_MEMORY_MIB, READER_MEMORY_MIB } from '#lib/cost/readers.ts';
import { runTransitions } from '#lib/cost/run-transitions.ts';
import type { RunPlan } from '#lib/format/plan.ts';
import type { VmPoint } from '#lib/format/point.ts';
import type { Receipt } from '#lib/format/receipt.ts';
import type { Bytes } from '#lib/units.ts';

const MS_PER_SECOND = 1000;
const GIB_MIB = 1024;

/** Requests are added when the point itself has been counted (own-request.ts). */
export function measuredRun(
  { storageClass = 'STANDARD' }: Pick<RunPlan, 'storageClass'>,
  receipts: readonly Receipt[],
  commit: { readonly durationMs: number; readonly manifestBytes: Bytes },
): VmPoint['measured'] {
  const sum = (of: (receipt: Receipt) => number) => receipts.reduce((total, receipt) => total + of(receipt), 0);
  const readerMs = sum(({ measured }) => measured.durationMs);
  const checks = receipts.map(({ measured }) => measured.hostCheck).filter((check) => check !== undefined);
  const hostChecks = [...new Set(checks)].toSorted();
  const packBytes = sum(({ pack }) => pack?.bytes ?? 0);
  const smallBytes = sum(({ pack }) => pack?.indexBytes ?? 0) + commit.manifestBytes;
  return {
    nbdBytes: sum(({ measured }) => measured.nbdBytes),
    nbdRequests: sum(({ measured }) => measured.nbdRequests),
    readerMs,
    readerCalls: receipts.length,
    gbSeconds: (readerMs * READER_MEMORY_MIB + commit.durationMs * COMMIT_MEMORY_MIB) / GIB_MIB / MS_PER_SECOND,
    transitions: runTransitions({
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
