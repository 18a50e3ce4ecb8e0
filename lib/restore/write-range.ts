/** The use case of the state write-range: one disk, piece by piece, for as long as the step has time. */

import { openAccess, openRange, type RangePorts, type RangeRequest } from './workflow-ports.ts';
import { writePieces } from './write-pieces.ts';

/** A piece of 256 MiB at 1 MiB/s, and the host's time to write it out: no piece is begun with less time left. */
const PIECE_TIME_MS = 300_000;

export async function writeRange(ports: RangePorts, request: RangeRequest) {
  const { store, clock, deadline } = ports;
  await using access = await openAccess(ports, request.pool);
  const { content, disk } = await openRange(store, access.session, request);
  const mayBegin = () => deadline.getTime() - clock.now().getTime() > PIECE_TIME_MS;
  const { done, doneBytes, dataBytes } = await writePieces(content, { access, disk }, { mayBegin });
  return { done, doneBytes, dataBytes };
}
