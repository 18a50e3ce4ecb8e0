/** Two backups by the workflow as it is deployed, into a bucket with Object Lock, signed by a key on this machine. */

import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { Secret } from '#lib/secret.ts';
import { VaultAccessDenied } from '#lib/store/failures.ts';
import { versionsUnderPrefix } from '#lib/store/object-versions.ts';
import { underPrefix } from '#lib/store/prefixed-store.ts';
import { s3Store } from '#lib/store/s3.ts';
import { s3Versions } from '#lib/store/s3-versions.ts';
import { auditVault } from '#lib/verify/audit.ts';
import { LocalInstallation } from '#local/installation.ts';
import { startS3Server } from '#local/s3/server.ts';
import { startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';

const DAY_MS = 86_400_000;
const BUCKET = 'locking';
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

test('what two backups leave is locked as their retention says, signed, whole, and cannot be removed', async () => {
  await using resources = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'locks-'));
  resources.defer(() => rm(folder, { recursive: true }));
  const signingKeyFile = join(folder, 'signing.pem');
  await writeFile(signingKeyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  const sim = resources.use(await startSimulator({ timings: FAST_TIMINGS }));
  const s3 = resources.use(await startS3Server());
  const { endpoint } = s3;
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { ...s3.credentials },
  });
  await client.send(new CreateBucketCommand({ Bucket: BUCKET, ObjectLockEnabledForBucket: true }));
  client.destroy();
  const { accessKeyId, secretAccessKey } = s3.credentials;
  const credentials = { accessKeyId, secretAccessKey: new Secret(secretAccessKey) };
  const { username, password } = sim.credentials;
  const installation = resources.use(
    await LocalInstallation.start({
      pools: [{ name: 'lab', url: sim.url, fingerprint: sim.fingerprint, username, password: new Secret(password) }],
      vault: { bucket: BUCKET, prefix: 'site/', endpoint, credentials, objectLock: 'governance', signingKeyFile },
      waitFactor: 0.01,
    }),
  );
  const { uuid, vdis } = await sim.addVm({
    name: 'web',
    disks: [{ bytes: Buffer.alloc(2 * 1024 * 1024, 'content ') }],
  });
  const began = Date.now();
  for (const change of ['', 'changed']) {
    sim.write(vdis[0] ?? '', 65_536, Buffer.from(change.padEnd(512)));
    const execution = await installation.start('backup', { vm: uuid, retention: { keepDaily: 7, keepWithinDays: 3 } });
    await execution.finished;
    assert.equal(execution.status, 'SUCCEEDED', execution.cause);
  }

  const settings = { bucket: BUCKET, endpoint, credentials };
  const [opened, openedVersions] = [s3Store(settings), s3Versions(settings)];
  resources.use(opened);
  resources.use(openedVersions);
  const store = underPrefix(opened, 'site/');
  const versions = versionsUnderPrefix(openedVersions, 'site/');
  const locked = new Set<string>();
  for await (const { key } of store.list('')) {
    const lock = (await store.head(key))?.lock;
    if (lock === undefined) continue;
    assert.equal(lock.mode, 'GOVERNANCE');
    assert.ok(lock.until.getTime() >= began + 3 * DAY_MS - 1000, `${key} is locked until ${lock.until.toISOString()}`);
    locked.add(key.replace(/^(vms|disks)\/[^/]+\/([^/]+)\/.*$/, '$1/$2'));
  }
  const expected = [
    'disks/indexes',
    'disks/ledger',
    'disks/manifests',
    'disks/packs',
    'disks/signatures',
    'vms/metadata',
    'vms/points',
  ];
  assert.deepEqual([...locked].sort(), expected);
  for await (const version of versions.list('disks/')) {
    if (/\/(packs|manifests|ledger)\//.test(version.key))
      await assert.rejects(versions.remove(version), VaultAccessDenied);
  }
  const { findings, signed } = await auditVault({ store, versions, publicKeys: [createPublicKey(privateKey)] });
  assert.deepEqual(findings, []);
  assert.deepEqual(
    signed.map(({ seq, signatures }) => [seq, signatures]),
    [[2, 2]],
  );
});
