/** The closing of a point: what its run used after the point was written, kept by the run's last call. */

import { runTransitionsAfterPoint } from '#lib/cost/run-transitions.ts';
import type { PointClosing } from '#lib/format/call-record.ts';
import { encodeDocument, HEAD } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { RunId } from '#lib/units.ts';
import { type CallMeter, readCallRecords, sumOfRequests } from './call-records.ts';
import { encodeWithRequests } from './own-request.ts';
import { readRunRecord } from './run-record.ts';

const COMMIT = 'commit-point';
const RELEASE = 'release-host';

/**
 * Last of all that a run asks for, its own PUT included. A run without a point has no closing. Of a call that is
 * repeated after its answer got lost the first closing stands.
 */
export async function closePoint(store: ObjectStore, meter: CallMeter, run: RunId): Promise<void> {
  const calls = await readCallRecords(store, run, 'after-point');
  // commit-point leaves a record in this stage only when the point is there.
  if (!calls.some(({ step }) => step === COMMIT)) return;
  const record = await readRunRecord(store, run);
  if (record === undefined) return;
  const { vm, started: time } = record;
  const others = sumOfRequests(calls.map(({ requests }) => requests));
  const closing: Omit<PointClosing, 'requests'> = {
    ...HEAD,
    requires: [],
    run,
    vm,
    time,
    calls: calls.filter(({ step }) => step === RELEASE).length + 1,
    gbSeconds: calls.reduce((sum, { gbSeconds }) => sum + gbSeconds, meter.gbSeconds),
    transitions: runTransitionsAfterPoint([...calls, { step: RELEASE, answered: true }]),
  };
  const encoded = encodeWithRequests(store.tally, meter.before, (own) => {
    const requests = sumOfRequests([own, others]);
    return encodeDocument({ ...closing, ...(requests && { requests }) });
  });
  await store.putIfAbsent(vaultKeys.closing(vm, { time, run }), encoded);
}
