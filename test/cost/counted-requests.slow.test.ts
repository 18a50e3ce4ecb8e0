import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { listPoints } from '#lib/restore/points.ts';
import { Secret } from '#lib/secret.ts';
import { underPrefix } from '#lib/store/prefixed-store.ts';
import { s3Store } from '#lib/store/s3.ts';
import { MIB } from '#lib/units.ts';
import { LocalInstallation } from '#local/installation.ts';
import type { InvocationReport } from '#local/lambda/function-host.ts';
import { startS3Server } from '#local/s3/server.ts';
import type { Execution } from '#local/states/execution.ts';
import { startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';
import { ServerCount } from '../../demo/server-count.ts';

const BUCKET = 'vault';
const PREFIX = 'site/';

describe('the cost record of a run', () => {
  test('says exactly the requests and bytes that the S3 server counted, and the transitions of the workflow', async () => {
    const count = new ServerCount();
    await using sim = await startSimulator({ timings: FAST_TIMINGS });
    await using s3 = await startS3Server({ buckets: [BUCKET], onRequest: count.onRequest });
    const { accessKeyId, secretAccessKey } = s3.credentials;
    const credentials = { accessKeyId, secretAccessKey: new Secret(secretAccessKey) };
    const { username, password } = sim.credentials;
    await using installation = await LocalInstallation.start({
      pools: [{ name: 'lab', url: sim.url, fingerprint: sim.fingerprint, username, password: new Secret(password) }],
      vault: { bucket: BUCKET, prefix: PREFIX, endpoint: s3.endpoint, credentials },
      waitFactor: 0.01,
      onInvocation: (report) => invocations.push(report),
    });
    const invocations: InvocationReport[] = [];
    // 40 MiB that do not compress: more than one part, so that the pack is a multipart upload.
    const vm = await sim.addVm({ name: 'web', disks: [{ bytes: randomBytes(40 * MIB) }] });
    using store = s3Store({ bucket: BUCKET, endpoint: s3.endpoint, credentials });
    const records = [];
    for (const kind of ['full', 'incremental']) {
      count.clear();
      invocations.length = 0;
      const before = installation.executions.length;
      const execution = await installation.start('backup', { vm: vm.uuid, readers: 2 });
      await execution.finished;
      assert.equal(execution.status, 'SUCCEEDED', execution.cause);
      const expected = count.ofReadersAndCommit();
      const point = (await listPoints(underPrefix(store, PREFIX))).at(-1)!.point;
      assert.equal(point.disks[0]!.kind, kind);
      records.push(point.measured.requests);
      assert.deepEqual(point.measured.requests, expected);
      assert.equal(point.measured.transitions, shortestTransitions(installation.executions.slice(before)));
      assertBilled(point.measured.gbSeconds, invocations);
      const stored = Object.values(point.measured.bytesByClass ?? {}).reduce((sum, bytes) => sum + bytes, 0);
      assert.ok(stored > point.disks[0]!.storedBytes && stored < expected.sentBytes);
      sim.write(vm.vdis[0]!, 3 * MIB, randomBytes(MIB));
    }
    assert.ok(records[0]!.sentBytes > 40 * MIB && records[1]!.sentBytes < 2 * MIB);
  });
});

/** What the run and its children entered, without the three states of each wait for the host. */
function shortestTransitions(executions: readonly Execution[]): number {
  const waits = executions.flatMap(({ history }) => history.filter(({ type }) => type === 'WaitStateEntered')).length;
  return executions.reduce((sum, { transitions }) => sum + transitions, 0) - 3 * waits;
}

/** The record ends with the point, which the functions outlive by their last requests; it is never more than billed. */
function assertBilled(recorded: number | undefined, invocations: readonly InvocationReport[]): void {
  const billed = invocations
    .filter(({ functionName }) => /read-?shard|commit-?point/i.test(functionName))
    .reduce((sum, { gbSeconds }) => sum + gbSeconds, 0);
  assert.ok(recorded !== undefined && recorded > 0 && recorded <= billed, `${recorded} of ${billed} GB-seconds`);
}
