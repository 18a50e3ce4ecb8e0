import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ListObjectsCommand, ListObjectsV2Command, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { BUCKET, type Plain, startPlain } from './plain-client.ts';

describe('listings of the embedded server', () => {
  let plain: Plain;
  let s3: S3Client;
  const keys = ['a', 'd/1', 'd/2', 'd/e/3', 'f', 'g/4', 'g/5', 'z'];
  before(async () => {
    plain = await startPlain();
    s3 = plain.s3;
    for (const Key of keys) await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: Key }));
  });
  after(() => plain[Symbol.asyncDispose]());

  const list = (more: object = {}) => s3.send(new ListObjectsV2Command({ Bucket: BUCKET, ...more }));

  it('a delimiter folds what lies deeper into common prefixes', async () => {
    const answer = await list({ Delimiter: '/' });
    assert.deepEqual(
      answer.Contents?.map(({ Key }) => Key),
      ['a', 'f', 'z'],
    );
    assert.deepEqual(
      answer.CommonPrefixes?.map(({ Prefix }) => Prefix),
      ['d/', 'g/'],
    );
    const deeper = await list({ Delimiter: '/', Prefix: 'd/' });
    assert.deepEqual(
      deeper.Contents?.map(({ Key }) => Key),
      ['d/1', 'd/2'],
    );
    assert.deepEqual(
      deeper.CommonPrefixes?.map(({ Prefix }) => Prefix),
      ['d/e/'],
    );
  });

  for (const size of [1, 2, 3, 7, 8]) {
    it(`pages of ${size} together are the whole, with and without a delimiter`, async () => {
      for (const [more, expected] of [
        [{}, keys],
        [{ Delimiter: '/' }, ['a', 'd/', 'f', 'g/', 'z']],
      ] as const) {
        const seen: string[] = [];
        let ContinuationToken: string | undefined;
        do {
          const answer = await list({ ...more, MaxKeys: size, ContinuationToken });
          assert(answer.KeyCount! <= size);
          const page = [
            ...(answer.Contents ?? []).map(({ Key }) => Key!),
            ...(answer.CommonPrefixes ?? []).map(({ Prefix }) => Prefix!),
          ];
          seen.push(...page.sort());
          ContinuationToken = answer.NextContinuationToken;
        } while (ContinuationToken !== undefined);
        assert.deepEqual(seen, expected);
      }
    });
  }

  it('begins after a key that need not exist', async () => {
    const answer = await list({ StartAfter: 'd/2x' });
    assert.deepEqual(
      answer.Contents?.map(({ Key }) => Key),
      ['d/e/3', 'f', 'g/4', 'g/5', 'z'],
    );
  });

  it('the old listing pages by marker', async () => {
    const first = await s3.send(new ListObjectsCommand({ Bucket: BUCKET, MaxKeys: 5 }));
    assert.equal(first.NextMarker, 'f');
    const rest = await s3.send(new ListObjectsCommand({ Bucket: BUCKET, Marker: first.NextMarker! }));
    assert.deepEqual(
      rest.Contents?.map(({ Key }) => Key),
      ['g/4', 'g/5', 'z'],
    );
  });

  it('keys that XML cannot carry come encoded when asked for', async () => {
    const Key = 'odd/\u0001 & +';
    await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: 'x' }));
    const answer = await list({ Prefix: 'odd/', EncodingType: 'url' });
    assert.equal(decodeURIComponent(answer.Contents?.[0]?.Key ?? ''), Key);
  });
});
