/**
 * What each call of a step used, left under the run for whoever adds the run up: commit-point for the point, and after it
 * release-host for the closing beside the point. Readers leave receipts instead, and a record only when they fail.
 *
 *   snapshot-disks, split-extents, readers that failed  -> calls/before-point/  -> the point
 *   commit-point from its point on, release-host        -> calls/after-point/   -> the closing
 */

import type { Clock } from '#lib/clock.ts';
import { type CallRecord, callRecord } from '#lib/format/call-record.ts';
import { encodeDocument, HEAD, parseDocument } from '#lib/format/document.ts';
import { type CallStage, vaultKeys } from '#lib/format/keys.ts';
import type { RequestCounts } from '#lib/format/request-counts.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { addCounts } from '#lib/store/request-tally.ts';
import type { RunId } from '#lib/units.ts';
import { encodeWithRequests } from './own-request.ts';

export interface CallPorts {
  readonly store: ObjectStore;
  readonly clock: Clock;
  /** Draws the record's name: a retry must not write over the attempt before it. */
  readonly random: (bytes: number) => Buffer;
}

export interface Call {
  readonly run: RunId;
  readonly step: { readonly name: string; readonly memoryMib: number };
  readonly stage: CallStage;
}

const GIB_MIB = 1024;
const MS_PER_SECOND = 1000;
/** Records are fetched this many at a time. */
const FETCHES_AT_ONCE = 16;

/** Memory times duration as Lambda bills it. */
export const gbSecondsOf = ({ ms, memoryMib }: { readonly ms: number; readonly memoryMib: number }) =>
  (ms * memoryMib) / GIB_MIB / MS_PER_SECOND;

/** What a call has used since it began. */
export class CallMeter {
  readonly #ports: CallPorts;
  readonly #call: Call;
  #stage: CallStage;
  #began: Date;
  /** Requests before this call: a warm function's connection has counted those of earlier calls. */
  #before: RequestCounts | undefined;

  constructor(ports: CallPorts, call: Call) {
    this.#ports = ports;
    this.#call = call;
    this.#stage = call.stage;
    this.#began = ports.clock.now();
    this.#before = ports.store.tally?.counts;
  }

  get before(): RequestCounts | undefined {
    return this.#before;
  }

  get gbSeconds(): number {
    const ms = this.#ports.clock.now().getTime() - this.#began.getTime();
    return gbSecondsOf({ ms, memoryMib: this.#call.step.memoryMib });
  }

  /** What was used so far is in the point that this call wrote; an earlier call's point has nothing of this one. */
  pointStands(written: 'created' | 'exists'): void {
    this.#stage = 'after-point';
    if (written === 'exists') return;
    this.#began = this.#ports.clock.now();
    this.#before = this.#ports.store.tally?.counts;
  }

  async leaveRecord({ answered }: Pick<CallRecord, 'answered'>): Promise<void> {
    const { store, random } = this.#ports;
    const { run, step } = this.#call;
    const record = { ...HEAD, run, step: step.name, answered, gbSeconds: this.gbSeconds };
    const key = vaultKeys.callRecord(run, { stage: this.#stage, step: step.name, id: random(8).toString('hex') });
    const encode = (requests?: RequestCounts) => encodeDocument({ ...record, ...(requests && { requests }) });
    await store.put(key, encodeWithRequests(store.tally, this.#before, encode));
  }
}

/** Runs a call and leaves its record, whether it answers or fails. Only a call that is killed leaves none. */
export async function recordCall<T>(ports: CallPorts, call: Call, work: (meter: CallMeter) => Promise<T>): Promise<T> {
  return recordIfFailed(ports, call, async (meter) => {
    const answer = await work(meter);
    await meter.leaveRecord({ answered: true });
    return answer;
  });
}

/** For calls that leave what they used in a document of their own when they succeed. */
export async function recordIfFailed<T>(
  ports: CallPorts,
  call: Call,
  work: (meter: CallMeter) => Promise<T>,
): Promise<T> {
  const meter = new CallMeter(ports, call);
  try {
    return await work(meter);
  } catch (failure) {
    // Whether the record can be written or not, the run has to learn of the failure itself.
    await Promise.allSettled([meter.leaveRecord({ answered: false })]);
    throw failure;
  }
}

export async function readCallRecords(store: ObjectStore, run: RunId, stage: CallStage): Promise<CallRecord[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(vaultKeys.callRecords(run, stage))) keys.push(key);
  const records: CallRecord[] = [];
  for (let i = 0; i < keys.length; i += FETCHES_AT_ONCE) {
    const some = keys.slice(i, i + FETCHES_AT_ONCE);
    records.push(...(await Promise.all(some.map(async (key) => parseDocument(callRecord, await store.get(key), key)))));
  }
  return records;
}

const NONE: RequestCounts = { puts: 0, gets: 0, sentBytes: 0, receivedBytes: 0 };

/** Undefined when one of them did not count. */
export function sumOfRequests(counts: readonly (RequestCounts | undefined)[]): RequestCounts | undefined {
  return counts.reduce<RequestCounts | undefined>((sum, own) => sum && own && addCounts(sum, own), NONE);
}
