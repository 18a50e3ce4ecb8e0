/** `npm run bench:reader [-- MiB]`: CPU, time and memory of one reader, on noise and on a filesystem image. */

import { execFile, execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Secret } from '#lib/secret.ts';
import { s3Store } from '#lib/store/s3.ts';
import { GIB, GRAIN_BYTES, MIB } from '#lib/units.ts';
import { startS3Server } from '#local/s3/server.ts';
import { makeImage } from '../demo/filesystem-image.ts';
import { LoneSite } from '../test/fakes/lone-site.ts';

const BUCKET = 'bench';
const bytes = Number(process.argv[2] ?? 2048) * MIB;
const here = import.meta.dirname;

await using site = await LoneSite.start();
await using s3 = await startS3Server({ buckets: [BUCKET] });
const { accessKeyId, secretAccessKey } = s3.credentials;
const credentials = { accessKeyId, secretAccessKey: new Secret(secretAccessKey) };
using store = s3Store({ bucket: BUCKET, endpoint: s3.endpoint, credentials });
site.store = store;

const noise = join(site.folder, 'noise.raw');
const keystream = 'openssl enc -aes-128-ctr -K 00 -iv 00 -in /dev/zero 2>/dev/null';
execFileSync('sh', ['-c', `${keystream} | head -c ${bytes} > ${noise}`]);
const filesystem = await makeImage(join(site.folder, 'filesystem.raw'), {
  folder: join(here, '..', 'node_modules'),
  minBytes: bytes,
});
for (const [title, file, diskBytes] of [
  ['noise', noise, bytes],
  ['filesystem image', filesystem.path, filesystem.bytes],
] as const) {
  const vm = await site.sim.addVm({ name: title, disks: [{ file }] });
  const run = await site.prepare(site.request(vm.uuid, { readers: 1 }));
  const grains = diskBytes / GRAIN_BYTES;
  const shard = { runId: run, shard: 0, disk: vm.vdis[0], firstGrain: 0, endGrain: grains, plannedGrains: grains };
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--max-semi-space-size=1', join(here, 'read-one-shard.ts'), s3.endpoint, BUCKET, JSON.stringify(shard)],
    { env: { ...process.env, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } },
  );
  const { cpuSeconds, seconds, peakMib } = JSON.parse(stdout);
  const gib = diskBytes / GIB;
  console.log(
    `${title}: ${gib.toFixed(2)} GiB, ${(gib / seconds).toFixed(2)} GiB/s, ${(cpuSeconds / gib).toFixed(2)} CPU s/GiB, peak ${peakMib} MiB`,
  );
}
