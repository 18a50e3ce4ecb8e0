/** The use case of the state verify-range: one disk over NBD, for as long as the step has time. */

import { NbdNotOffered } from '#lib/backup/failures.ts';
import { grainsCovering, indexAfter } from '#lib/units.ts';
import { openRestored, readBack } from './read-back.ts';
import { openAccess, openRange, type RangeRequest, type VerifyPorts } from './workflow-ports.ts';

/** A slice of 256 MiB at 2 MiB/s: no slice is begun with less time left. */
const SLICE_TIME_MS = 150_000;

export interface VerifyRequest extends RangeRequest {
  readonly nextGrain?: number | undefined;
  readonly comparedBytes?: number | undefined;
}

export async function verifyRange(ports: VerifyPorts, request: VerifyRequest) {
  const { store, clock, signal, deadline, connect } = ports;
  const { nextGrain: first = 0, comparedBytes: before = 0 } = request;
  await using access = await openAccess(ports, request.pool);
  const { content, disk } = await openRange(store, access.session, request);
  const at = { vdi: disk.record.uuid, pool: access.pool, connect, signal };
  const source = await openRestored(access.session, at).catch((failure: unknown) => {
    if (failure instanceof NbdNotOffered) return failure;
    throw failure;
  });
  // A pool without NBD can be restored to all the same: what was written is confirmed by the host's tasks.
  if (source instanceof NbdNotOffered) {
    return { done: true, nextGrain: first, comparedBytes: before, unverified: source.message };
  }
  try {
    const mayBegin = () => deadline.getTime() - clock.now().getTime() > SLICE_TIME_MS;
    const { next, comparedBytes } = await readBack(content, source, { first, mayBegin, signal });
    const done = next >= indexAfter(grainsCovering(content.diskBytes));
    return { done, nextGrain: next, comparedBytes: before + comparedBytes };
  } finally {
    await source.close();
  }
}
