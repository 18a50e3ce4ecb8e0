/**
 * The upkeep as it is deployed, its functions called in this process with the environment of the template, on a vault that
 * has aged on an S3 server.
 */

import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { encodeDocument, parseDocument } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { vmPoint } from '#lib/format/point.ts';
import { listPoints } from '#lib/restore/points.ts';
import { Secret } from '#lib/secret.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { underPrefix } from '#lib/store/prefixed-store.ts';
import { s3Store } from '#lib/store/s3.ts';
import { GRAIN_BYTES } from '#lib/units.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { type S3Server, startS3Server } from '#local/s3/server.ts';
import { serveSecrets } from '#local/secrets-endpoint.ts';
import { systemClock } from '#local/states/system-clock.ts';
import { Workflows } from '#local/states/workflows.ts';
import { type Simulator, startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';
import { FUNCTION_ARN, type Installation, resolved, synthesize, testSettings } from '../cdk/installation.ts';
import { LoneDisk } from '../fakes/lone-disk.ts';

const DAY_MS = 86_400_000;
const CREDENTIALS = { accessKeyId: 'LOCALUPKEEP', secretAccessKey: 'only for this test' };
const ORPHAN = '00000000000000aa/000000000000000000000000000000aa.zst';

let folder: string;
let s3: S3Server;
let store: ObjectStore & Disposable;
let sim: Simulator;
let secrets: Awaited<ReturnType<typeof serveSecrets>>;
let installation: Installation;
const disk = new LoneDisk({ start: new Date(Date.now() - 60 * DAY_MS) });

async function serve(): Promise<void> {
  s3 = await startS3Server({ directory: join(folder, 's3'), buckets: ['vault'], credentials: CREDENTIALS });
  store = s3Store({ bucket: 'vault', endpoint: s3.endpoint, credentials: credentials() });
}
const credentials = () => ({
  accessKeyId: CREDENTIALS.accessKeyId,
  secretAccessKey: new Secret(CREDENTIALS.secretAccessKey),
});
const vault = () => underPrefix(store, 'site/');

/** Three points of a policy, 60 days old and more, and a pack that a run left behind when it died. */
async function fillVault(): Promise<void> {
  for (const value of [1, 2, 3]) {
    await disk.backUp(Buffer.alloc(4 * GRAIN_BYTES, value));
    disk.nowMs += DAY_MS;
  }
  for (const key of disk.bucket.objects.keys('vms/')) {
    const point = parseDocument(vmPoint, await disk.store.get(key), key);
    await disk.store.put(key, encodeDocument({ ...point, policy: 'nightly' }));
  }
  await disk.store.put(`${vaultKeys.packs(disk.disk)}${ORPHAN}`, Buffer.alloc(10));
  const kept = disk.bucket.objects.keys().filter((key) => !/^(runs|connections)\//.test(key));
  for (const key of kept) await vault().put(key, await disk.store.get(key));
}

/** The server keeps the time of a version in a record beside it. */
async function age(days: number): Promise<void> {
  const files = await readdir(join(folder, 's3'), { recursive: true, withFileTypes: true });
  for (const { name, parentPath } of files.filter((file) => file.isFile() && file.name.endsWith('.json'))) {
    const path = join(parentPath, name);
    const record = JSON.parse(await readFile(path, 'utf8'));
    if (typeof record.modifiedMs !== 'number') continue;
    await writeFile(path, JSON.stringify({ ...record, modifiedMs: record.modifiedMs - days * DAY_MS }));
  }
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'blockferry-upkeep-'));
  await serve();
  await fillVault();
  store[Symbol.dispose]();
  await s3.stop();
  await age(60);
  await serve();
  sim = await startSimulator({ timings: FAST_TIMINGS });
  const { username, password } = sim.credentials;
  secrets = await serveSecrets(() => JSON.stringify({ username, password }));
  const { url, fingerprint } = sim;
  const settings = testSettings({
    pools: [{ name: 'main', url, fingerprint, secretName: 'blockferry/main' }],
    vault: { prefix: 'site/', owner: 'any' },
    policies: [{ name: 'nightly', select: 'all', at: '01:30', retention: { keepLast: 1, keepWithinDays: 1 } }],
  });
  installation = synthesize(settings);
});
after(async () => {
  secrets.server.closeAllConnections();
  secrets.server.close();
  await sim[Symbol.asyncDispose]();
  store[Symbol.dispose]();
  await s3.stop();
  await rm(folder, { recursive: true, force: true });
});

/** What the template says each function has in its environment. */
function environmentOf(step: string): Record<string, string> {
  const found = Object.entries(installation.pipeline.findResources('AWS::Lambda::Function')).find(([id]) =>
    id.startsWith(step.replaceAll('-', '')),
  );
  const variables: Record<string, unknown> = found?.[1]['Properties'].Environment.Variables;
  return Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, resolved(value)]));
}

async function invoke(arn: string, payload: unknown) {
  const step = arn.replace(FUNCTION_ARN, '');
  Object.assign(process.env, environmentOf(step), {
    AWS_ENDPOINT_URL_S3: s3.endpoint,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: secrets.url,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
  });
  const { handler } = await import(`#functions/${step}.ts`);
  const context = { awsRequestId: 'r', getRemainingTimeInMillis: () => 900_000 };
  return { kind: 'success', payload: await handler(payload, context) } as const;
}

async function keepUp() {
  const stateMachineArn = 'arn:aws:states:us-east-1:123456789012:stateMachine:blockferry-upkeep';
  const none = () => Promise.reject(new Error('the upkeep has no distributed map'));
  const workflows = new Workflows([{ arn: stateMachineArn, definition: installation.upkeep }], {
    functions: { invoke },
    objects: { get: none, put: none },
    clock: systemClock,
    randomness: { fraction: Math.random, uuid: () => crypto.randomUUID() },
  });
  const execution = await workflows.start({ stateMachineArn, input: {} });
  await execution.finished;
  assert.equal(execution.status, 'SUCCEEDED', `${execution.error}: ${execution.cause}`);
  const outputs = execution.history.filter(({ type }) => type === 'TaskStateExited');
  return Object.fromEntries(outputs.map(({ name, output }) => [name, output as Record<string, unknown>]));
}

test('points go by the retention of their policy, orphans of dead runs go, and what stays is verified and restores', async () => {
  const outputs = await keepUp();
  assert.equal(outputs['prune-points']?.['letGo'], 2);
  assert.equal(outputs['remove-versions']?.['removed'], 1);
  const { disks, findings } = outputs['verify-points'] ?? {};
  assert.deepEqual([disks, findings], [1, 0]);
  assert.equal(await vault().head(`${vaultKeys.packs(disk.disk)}${ORPHAN}`), undefined);
  const points = await listPoints(vault());
  assert.deepEqual(
    points.map(({ point }) => point.disks[0]?.seq),
    [3],
  );
  const content = await DiskContent.open(vault(), { disk: disk.disk, seq: 3 });
  const grains: Buffer[] = [];
  await content.read({ first: 0, end: 4 }, (_, bytes) => {
    grains.push(Buffer.from(bytes));
  });
  assert.ok(Buffer.concat(grains).equals(Buffer.alloc(4 * GRAIN_BYTES, 3)));
});

test('what the points that went consisted of goes a week later, and not before', async () => {
  assert.equal((await keepUp())['remove-versions']?.['removed'], 0);
  assert.notEqual(await vault().head(vaultKeys.expiry(disk.disk, 1)), undefined);
  assert.equal(disk.bucket.objects.keys(vaultKeys.packs(disk.disk)).length, 4);
  for (const key of disk.bucket.objects.keys(vaultKeys.packs(disk.disk)).filter((each) => !each.endsWith(ORPHAN))) {
    assert.notEqual(await vault().head(key), undefined);
  }
});
