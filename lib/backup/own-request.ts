/** Documents that count requests, the one that writes them included. */

import type { RequestCounts } from '#lib/format/request-counts.ts';
import { addCounts, type RequestTally } from '#lib/store/request-tally.ts';

/**
 * The longer the document, the more bytes its own PUT sends, which is a figure in the document: each round the guess can
 * only grow, and only by digits of that one figure, so that four rounds are more than it takes.
 */
const MAX_ROUNDS = 8;

/** Requests since `before` and the PUT of the document that `encode` makes of them; undefined where nobody counts. */
export function encodeWithRequests(
  tally: RequestTally | undefined,
  before: RequestCounts | undefined,
  encode: (requests?: RequestCounts) => Buffer,
): Buffer {
  if (tally === undefined || before === undefined) return encode();
  const others = tally.since(before);
  let encoded = encode(addCounts(others, { puts: 1, gets: 0, sentBytes: 0, receivedBytes: 0 }));
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const sentBytes = encoded.length;
    encoded = encode(addCounts(others, { puts: 1, gets: 0, sentBytes, receivedBytes: 0 }));
    if (encoded.length === sentBytes) break;
  }
  return encoded;
}
