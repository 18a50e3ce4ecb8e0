import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3';
import { Secret } from '#lib/secret.ts';
import type { ObjectVersions } from '#lib/store/object-versions.ts';
import { versionsUnderPrefix } from '#lib/store/object-versions.ts';
import { s3Store } from '#lib/store/s3.ts';
import { s3Versions } from '#lib/store/s3-versions.ts';
import { startS3Server } from '#local/s3/server.ts';

async function listed(versions: ObjectVersions, prefix: string) {
  const found = [];
  for await (const { key, kind, current, bytes } of versions.list(prefix)) found.push({ key, kind, current, bytes });
  return found;
}

test('every version and delete marker is listed, newest first, and removed one by one', async () => {
  await using server = await disposable();
  const { store, versions } = server;
  await server.turnVersioningOn();
  await store.put('vault/a', Buffer.alloc(1));
  await store.put('vault/a', Buffer.alloc(2));
  await store.delete('vault/a');
  await store.put('vault/b', Buffer.alloc(3));
  await store.put('other', Buffer.alloc(4));
  const inside = versionsUnderPrefix(versions, 'vault/');
  assert.deepEqual(await listed(inside, ''), [
    { key: 'a', kind: 'delete-marker', current: true, bytes: 0 },
    { key: 'a', kind: 'object', current: false, bytes: 2 },
    { key: 'a', kind: 'object', current: false, bytes: 1 },
    { key: 'b', kind: 'object', current: true, bytes: 3 },
  ]);
  for await (const version of inside.list('a')) await inside.remove(version);
  assert.deepEqual(await listed(versions, ''), [
    { key: 'other', kind: 'object', current: true, bytes: 4 },
    { key: 'vault/b', kind: 'object', current: true, bytes: 3 },
  ]);
});

test('a bucket without versioning has one version of each object, and it can be removed', async () => {
  await using server = await disposable();
  const { store, versions } = server;
  await store.put('a', Buffer.alloc(1));
  assert.deepEqual(await listed(versions, ''), [{ key: 'a', kind: 'object', current: true, bytes: 1 }]);
  for await (const version of versions.list('')) {
    await versions.remove(version);
    await versions.remove(version);
  }
  assert.equal(await store.head('a'), undefined);
});

async function disposable() {
  const server = await startS3Server({ buckets: ['versions'] });
  const { accessKeyId, secretAccessKey } = server.credentials;
  const settings = {
    bucket: 'versions',
    endpoint: server.endpoint,
    credentials: { accessKeyId, secretAccessKey: new Secret(secretAccessKey) },
  };
  const [store, versions] = [s3Store(settings), s3Versions(settings)];
  return {
    store,
    versions,
    turnVersioningOn: async () => {
      const client = new S3Client({
        endpoint: server.endpoint,
        region: 'us-east-1',
        forcePathStyle: true,
        credentials: { accessKeyId, secretAccessKey },
      });
      const VersioningConfiguration = { Status: 'Enabled' as const };
      await client.send(new PutBucketVersioningCommand({ Bucket: 'versions', VersioningConfiguration }));
      client.destroy();
    },
    [Symbol.asyncDispose]: async () => {
      store[Symbol.dispose]();
      versions[Symbol.dispose]();
      await server.stop();
    },
  };
}
