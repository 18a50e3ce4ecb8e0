import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { listPoints } from '#lib/restore/points.ts';
import { Secret } from '#lib/secret.ts';
import { underPrefix } from '#lib/store/prefixed-store.ts';
import { billedAs } from '#lib/store/request-tally.ts';
import { s3Store } from '#lib/store/s3.ts';
import { MIB } from '#lib/units.ts';
import { LocalInstallation } from '#local/installation.ts';
import type { RequestSeen } from '#local/s3/counters.ts';
import { startS3Server } from '#local/s3/server.ts';
import { startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';

const BUCKET = 'vault';
const PREFIX = 'site/';

/** From the map's reading of the shards, after which readers begin, to the point itself; the map's own results apart. */
function readersAndCommit(seen: readonly RequestSeen[]): RequestSeen[] {
  const first = seen.findLastIndex(({ operation, key }) => operation === 'GetObject' && key.endsWith('/shards.jsonl'));
  const last = seen.findLastIndex(({ operation, key }) => operation === 'PutObject' && key.includes('/points/'));
  return seen.slice(first + 1, last + 1).filter(({ key }) => !key.includes('/results/'));
}

function counted(seen: readonly RequestSeen[]) {
  const sum = (of: (one: RequestSeen) => number) => seen.reduce((total, one) => total + of(one), 0);
  return {
    puts: seen.filter(({ operation }) => billedAs(operation) === 'put').length,
    gets: seen.filter(({ operation }) => billedAs(operation) === 'get').length,
    sentBytes: sum(({ bytesIn }) => bytesIn),
    receivedBytes: sum(({ bytesOut }) => bytesOut),
  };
}

describe('the cost record of a run', () => {
  test('says exactly the requests and bytes that the S3 server counted, in a full and in an increment', async () => {
    const seen: RequestSeen[] = [];
    await using sim = await startSimulator({ timings: FAST_TIMINGS });
    await using s3 = await startS3Server({ buckets: [BUCKET], onRequest: (request) => seen.push(request) });
    const { accessKeyId, secretAccessKey } = s3.credentials;
    const credentials = { accessKeyId, secretAccessKey: new Secret(secretAccessKey) };
    const { username, password } = sim.credentials;
    await using installation = await LocalInstallation.start({
      pools: [{ name: 'lab', url: sim.url, fingerprint: sim.fingerprint, username, password: new Secret(password) }],
      vault: { bucket: BUCKET, prefix: PREFIX, endpoint: s3.endpoint, credentials },
      waitFactor: 0.01,
    });
    // 40 MiB that do not compress: more than one part, so that the pack is a multipart upload.
    const vm = await sim.addVm({ name: 'web', disks: [{ bytes: randomBytes(40 * MIB) }] });
    using store = s3Store({ bucket: BUCKET, endpoint: s3.endpoint, credentials });
    const records = [];
    for (const kind of ['full', 'incremental']) {
      seen.length = 0;
      const execution = await installation.startBackup({ vm: vm.uuid, readers: 2 });
      await execution.finished;
      assert.equal(execution.status, 'SUCCEEDED', execution.cause);
      const expected = counted(readersAndCommit(seen));
      const point = (await listPoints(underPrefix(store, PREFIX))).at(-1)!.point;
      assert.equal(point.disks[0]!.kind, kind);
      records.push(point.measured.requests);
      assert.deepEqual(point.measured.requests, expected);
      sim.write(vm.vdis[0]!, 3 * MIB, randomBytes(MIB));
    }
    assert.ok(records[0]!.sentBytes > 40 * MIB && records[1]!.sentBytes < 2 * MIB);
  });
});
