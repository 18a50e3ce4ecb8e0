/** What the S3 server counted, in the terms of the bill, to hold beside the cost record that a run left. */

import type { RequestCounts } from '#lib/format/request-counts.ts';
import { billedAs } from '#lib/store/request-tally.ts';
import type { S3Server } from '#local/s3/server.ts';

/** Everything since the counters were reset, whoever asked: steps, readers, and the workflow's own map. */
export function serverCount({ counters }: Pick<S3Server, 'counters'>): RequestCounts {
  const total = { puts: 0, gets: 0, sentBytes: 0, receivedBytes: 0 };
  for (const [operation, { requests, bytesIn, bytesOut }] of counters.all()) {
    const billed = billedAs(operation);
    if (billed === 'put') total.puts += requests;
    if (billed === 'get') total.gets += requests;
    total.sentBytes += bytesIn;
    total.receivedBytes += bytesOut;
  }
  return total;
}
