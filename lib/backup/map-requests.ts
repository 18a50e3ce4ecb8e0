/** What the distributed map asks of the vault itself, read off what it found and left there: no step sees it ask. */

import { vaultKeys } from '#lib/format/keys.ts';
import type { RequestCounts } from '#lib/format/request-counts.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { RunId } from '#lib/units.ts';

/** It fetches the list of shards once and puts each of its files of results once. */
export async function mapRequests(store: ObjectStore, run: RunId): Promise<RequestCounts> {
  const shards = await store.head(vaultKeys.shards(run));
  let puts = 0;
  let sentBytes = 0;
  for await (const { bytes } of store.list(vaultKeys.results(run))) {
    puts += 1;
    sentBytes += bytes;
  }
  return { puts, gets: 1, sentBytes, receivedBytes: shards?.bytes ?? 0 };
}
