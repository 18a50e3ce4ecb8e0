import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { readClosing } from '#lib/cost/closings.ts';
import { listPoints } from '#lib/restore/points.ts';
import { Secret } from '#lib/secret.ts';
import { underPrefix } from '#lib/store/prefixed-store.ts';
import { addCounts } from '#lib/store/request-tally.ts';
import { s3Store } from '#lib/store/s3.ts';
import { MIB } from '#lib/units.ts';
import { LocalInstallation } from '#local/installation.ts';
import type { InvocationReport } from '#local/lambda/function-host.ts';
import { startS3Server } from '#local/s3/server.ts';
import { startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';
import { serverCount } from '../../demo/server-count.ts';

const BUCKET = 'vault';
const PREFIX = 'site/';

describe('the cost record of a run', () => {
  test('says exactly what the S3 server, the function host and the history of the workflow counted, of all steps', async (context) => {
    await using sim = await startSimulator({ timings: FAST_TIMINGS });
    await using s3 = await startS3Server({ buckets: [BUCKET] });
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
    const vault = underPrefix(store, PREFIX);
    const sent: number[] = [];
    for (const kind of ['full', 'incremental', 'incremental']) {
      s3.counters.reset();
      invocations.length = 0;
      const before = installation.executions.length;
      const execution = await installation.start('backup', { vm: vm.uuid, readers: 2 });
      await execution.finished;
      assert.equal(execution.status, 'SUCCEEDED', execution.cause);
      const counted = serverCount(s3);
      const { point } = (await listPoints(vault)).at(-1)!;
      const closing = (await readClosing(vault, point))!;
      assert.equal(point.disks[0]!.kind, kind);
      assert.deepEqual(addCounts(point.measured.requests!, closing.requests!), counted);
      const entered = installation.executions.slice(before).reduce((sum, { transitions }) => sum + transitions, 0);
      assert.equal(point.measured.transitions! + closing.transitions, entered);
      assert.equal(point.measured.calls! + closing.calls, invocations.length);
      assertBilled(point.measured.gbSeconds! + closing.gbSeconds, invocations);
      const stored = Object.values(point.measured.bytesByClass ?? {}).reduce((sum, bytes) => sum + bytes, 0);
      assert.ok(stored >= point.disks[0]!.storedBytes && stored < counted.sentBytes);
      context.diagnostic(`${kind}: ${JSON.stringify({ counted, entered, calls: invocations.length })}`);
      sent.push(counted.sentBytes);
      // The third run finds nothing changed: no shard, no reader, no map.
      if (sent.length === 1) sim.write(vm.vdis[0]!, 3 * MIB, randomBytes(MIB));
    }
    const [full = 0, increment = 0, nothing = 0] = sent;
    assert.ok(full > 40 * MIB && increment > MIB && increment < 2 * MIB && nothing < MIB / 4);
  });
});

/** The record ends before the functions have answered: it is never more than billed, and not much less. */
function assertBilled(recorded: number, invocations: readonly InvocationReport[]): void {
  const billed = invocations.reduce((sum, { gbSeconds }) => sum + gbSeconds, 0);
  assert.ok(recorded > 0 && recorded <= billed, `${recorded} of ${billed} GB-seconds`);
}
