/** What the S3 server saw of a run's readers and commit, to hold beside the cost record that they left in the point. */

import type { RequestCounts } from '#lib/format/request-counts.ts';
import { billedAs } from '#lib/store/request-tally.ts';
import type { RequestSeen } from '#local/s3/counters.ts';

export class ServerCount {
  readonly #seen: RequestSeen[] = [];

  /** For the server's `onRequest`. */
  readonly onRequest = (request: RequestSeen): void => {
    this.#seen.push(request);
  };

  /** Forgets what was seen: the next run begins. */
  clear(): void {
    this.#seen.length = 0;
  }

  /**
   * From the map's reading of the shards, after which readers begin, to the point itself, which is the commit's last
   * request; without the results that the map writes meanwhile.
   */
  ofReadersAndCommit(): RequestCounts {
    const isShardList = ({ operation, key }: RequestSeen) => operation === 'GetObject' && key.endsWith('/shards.jsonl');
    const isPoint = ({ operation, key }: RequestSeen) => operation === 'PutObject' && key.includes('/points/');
    const first = this.#seen.findLastIndex(isShardList);
    const last = this.#seen.findLastIndex(isPoint);
    const own = this.#seen.slice(first + 1, last + 1).filter(({ key }) => !key.includes('/results/'));
    return {
      puts: own.filter(({ operation }) => billedAs(operation) === 'put').length,
      gets: own.filter(({ operation }) => billedAs(operation) === 'get').length,
      sentBytes: own.reduce((sum, { bytesIn }) => sum + bytesIn, 0),
      receivedBytes: own.reduce((sum, { bytesOut }) => sum + bytesOut, 0),
    };
  }
}
