import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Secret } from '#lib/secret.ts';
import { s3Store } from '#lib/store/s3.ts';
import { GIB, MIB } from '#lib/units.ts';
import { FunctionHost, type InvocationReport } from '#local/lambda/function-host.ts';
import { startS3Server } from '#local/s3/server.ts';
import { synthesize } from '#local/synthesis.ts';
import { LoneSite } from '../fakes/lone-site.ts';

const LIMIT_BYTES = 256 * MIB;
const SHARD_BYTES = 4 * GIB;

test('a reader copies a shard of 4 GiB that does not compress within 256 MiB of memory', async (t) => {
  await using site = await LoneSite.start();
  const image = join(site.folder, 'noise.raw');
  // A key stream is the fastest source of noise there is without a program of our own.
  execFileSync('sh', [
    '-c',
    `openssl enc -aes-128-ctr -K 00 -iv 00 -in /dev/zero 2>/dev/null | head -c ${SHARD_BYTES} > ${image}`,
  ]);
  await using s3 = await startS3Server({ buckets: ['vault'] });
  const credentials = {
    accessKeyId: s3.credentials.accessKeyId,
    secretAccessKey: new Secret(s3.credentials.secretAccessKey),
  };
  site.store = s3Store({ bucket: 'vault', endpoint: s3.endpoint, credentials });
  const vm = await site.sim.addVm({ name: 'big', disks: [{ file: image }] });
  const run = await site.prepare(site.request(vm.uuid, { readers: 1 }));

  const folder = await mkdtemp(join(tmpdir(), 'reader-memory-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const pool = { name: 'lab', url: site.sim.url, fingerprint: site.sim.fingerprint, secretName: 'unused' };
  const assembly = await synthesize(folder, { pools: [pool], vault: { bucket: 'vault' } }, 'us-east-1');
  const reports: InvocationReport[] = [];
  const host = new FunctionHost({
    functions: assembly.functions.values(),
    environment: {
      AWS_ENDPOINT_URL_S3: s3.endpoint,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey.reveal(),
    },
    onInvocation: (report) => reports.push(report),
  });
  t.after(() => host.stop());
  const reader = [...assembly.functions.values()].find(({ constructPath }) => constructPath.includes('read-shard'));
  const grains = SHARD_BYTES / 65_536;
  const shard = { runId: run, shard: 0, disk: vm.vdis[0], firstGrain: 0, endGrain: grains, plannedGrains: grains };
  const answer = await host.invoke(reader?.arn ?? '', shard);
  assert.equal(answer.kind, 'success', JSON.stringify(answer));
  const [report] = reports;
  t.diagnostic(
    `peak ${Math.round((report?.peakBytes ?? 0) / MIB)} MiB, ${Math.round(report?.durationMs ?? 0)} ms for 4 GiB`,
  );
  assert.ok(report?.peakBytes !== undefined && report.peakBytes <= LIMIT_BYTES, `${report?.peakBytes} bytes`);
});
