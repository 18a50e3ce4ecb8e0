import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeadObjectCommand } from '@aws-sdk/client-s3';
import { Secret } from '#lib/secret.ts';
import { s3Store } from '#lib/store/s3.ts';
import { asksForStoreKey, connect } from '#lib/store/s3-client.ts';
import { BUCKET, startEmbedded } from './embedded.ts';

for (const storeKey of [true, false]) {
  const told = storeKey ? 'that can is asked to encrypt with its own key' : 'that cannot is not asked for it';
  test(`a server ${told}, for the objects that are meant to be`, async () => {
    await using embedded = await startEmbedded();
    const { endpoint, credentials } = embedded.server;
    const { accessKeyId } = credentials;
    const secretAccessKey = new Secret(credentials.secretAccessKey);
    const settings = { bucket: BUCKET, endpoint, credentials: { accessKeyId, secretAccessKey }, storeKey };
    using store = s3Store(settings);
    await store.put('put', Buffer.from('a'), { encryption: 'store-key' });
    await store.putIfAbsent('absent', Buffer.from('b'), { encryption: 'store-key' });
    await store.put('other', Buffer.from('c'));
    const { client } = connect(settings);
    const encryptionOf = async (Key: string) =>
      (await client.send(new HeadObjectCommand({ Bucket: BUCKET, Key }))).ServerSideEncryption;
    const found = [await encryptionOf('put'), await encryptionOf('absent'), await encryptionOf('other')];
    client.destroy();
    assert.deepEqual(found, storeKey ? ['AES256', 'AES256', undefined] : [undefined, undefined, undefined]);
  });
}

test('AWS is known by its names, whatever named the endpoint', () => {
  const isAsked = (hostname: string) => asksForStoreKey({}, hostname);
  assert.ok(isAsked('vault.s3.eu-central-1.amazonaws.com'));
  assert.ok(isAsked('bucket.vpce-1a2b3c4d-5e6f.s3.us-east-1.vpce.amazonaws.com'));
  assert.ok(isAsked('vault.s3.cn-north-1.amazonaws.com.cn'));
  assert.ok(!isAsked('minio.example.net'));
  assert.ok(!isAsked('amazonaws.com.example.net'));
});
