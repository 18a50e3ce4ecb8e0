import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import {
  type ChecksumAlgorithm,
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  PutObjectTaggingCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { BUCKET, type Plain, refused, startPlain } from './plain-client.ts';

describe('objects on the embedded server', () => {
  let plain: Plain;
  let s3: S3Client;
  before(async () => {
    plain = await startPlain();
    s3 = plain.s3;
  });
  after(() => plain[Symbol.asyncDispose]());

  const body = randomBytes(150_000);
  const put = (Key: string, more: Partial<PutObjectCommandInput> = {}) =>
    s3.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: body, ...more }));
  const bytesOf = async (Key: string, more: object = {}) => {
    const answer = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key, ...more }));
    return Buffer.from(await answer.Body!.transformToByteArray());
  };
  const head = (Key: string, more: object = {}) => s3.send(new HeadObjectCommand({ Bucket: BUCKET, Key, ...more }));

  describe('checksums', () => {
    const algorithms: ChecksumAlgorithm[] = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'];
    for (const algorithm of algorithms) {
      it(`${algorithm} is verified, kept and shown, for buffers and for streams with a trailer`, async () => {
        for (const [form, Body] of [
          ['buffer', body],
          ['stream', Readable.from([body.subarray(0, 70_000), body.subarray(70_000)])],
        ] as const) {
          const Key = `sum/${algorithm}/${form}`;
          await put(Key, { Body, ContentLength: body.length, ChecksumAlgorithm: algorithm });
          // Reading with the checksum mode makes the SDK compute the checksum itself and compare.
          assert.deepEqual(await bytesOf(Key, { ChecksumMode: 'ENABLED' }), body);
          const facts = await head(Key, { ChecksumMode: 'ENABLED' });
          assert.equal(facts.ChecksumType, 'FULL_OBJECT');
          assert.notEqual(facts[`Checksum${algorithm}` as 'ChecksumCRC32'], undefined);
        }
      });
    }

    it('a wrong one is refused and nothing is stored', async () => {
      for (const wrong of [
        { ChecksumCRC32: 'AAAAAA==' },
        { ChecksumCRC32C: 'AAAAAA==' },
        { ChecksumCRC64NVME: 'AAAAAAAAAAA=' },
      ]) {
        await refused(put('sum/wrong', wrong), 'BadDigest', 400);
      }
      await refused(put('sum/wrong', { ContentMD5: createHash('md5').update('other').digest('base64') }), 'BadDigest');
      await refused(head('sum/wrong'), 'NotFound', 404);
    });

    it('the right MD5 is accepted', async () => {
      await put('sum/md5', { ContentMD5: createHash('md5').update(body).digest('base64') });
    });

    it('GetObjectAttributes shows it', async () => {
      await put('sum/attributes');
      const wanted = { ObjectAttributes: ['Checksum', 'ObjectSize', 'ETag'] as const };
      const facts = await s3.send(
        new GetObjectAttributesCommand({
          Bucket: BUCKET,
          Key: 'sum/attributes',
          ObjectAttributes: [...wanted.ObjectAttributes],
        }),
      );
      assert.equal(facts.ObjectSize, body.length);
      assert.notEqual(facts.Checksum?.ChecksumCRC32, undefined);
      assert.equal(facts.ETag, createHash('md5').update(body).digest('hex'));
    });
  });

  describe('ranges', () => {
    before(() => put('range'));
    for (const [Range, start, end] of [
      ['bytes=10-19', 10, 20],
      ['bytes=-5', 149_995, 150_000],
      ['bytes=149990-', 149_990, 150_000],
      ['bytes=149990-999999', 149_990, 150_000],
      ['bytes=0-149999', 0, 150_000],
    ] as const) {
      it(`${Range} is [${start}, ${end})`, async () => {
        const answer = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: 'range', Range }));
        assert.equal(answer.$metadata.httpStatusCode, 206);
        assert.equal(answer.ContentRange, `bytes ${start}-${end - 1}/150000`);
        assert.deepEqual(Buffer.from(await answer.Body!.transformToByteArray()), body.subarray(start, end));
      });
    }

    it('one past the end is refused', async () => {
      await refused(bytesOf('range', { Range: 'bytes=150000-' }), 'InvalidRange', 416);
    });
  });

  describe('conditions', () => {
    it('If-None-Match: * lets one of many writers win', async () => {
      const writers = Array.from({ length: 12 }, (_, index) =>
        put('race', { Body: `writer ${index}`, IfNoneMatch: '*' }),
      );
      const outcomes = await Promise.allSettled(writers);
      const winner = outcomes.findIndex(({ status }) => status === 'fulfilled');
      assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
      assert.equal((await bytesOf('race')).toString(), `writer ${winner}`);
      await refused(writers[(winner + 1) % 12]!, 'PreconditionFailed', 412);
    });

    it('If-Match writes over the version it names, quoted or not, and nothing else', async () => {
      const { ETag } = await put('match');
      await refused(put('match', { IfMatch: '"0123456789abcdef0123456789abcdef"' }), 'PreconditionFailed', 412);
      await refused(put('match/absent', { IfMatch: ETag! }), 'NoSuchKey', 404);
      await put('match', { IfMatch: ETag! });
      await put('match', { IfMatch: ETag!.replaceAll('"', '') });
    });

    it('a delete may be conditional', async () => {
      const { ETag } = await put('delete/match');
      const remove = (IfMatch: string) =>
        s3.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: 'delete/match', IfMatch }));
      await refused(remove('"wrong"'), 'PreconditionFailed', 412);
      await remove(ETag!);
      await refused(head('delete/match'), 'NotFound');
    });

    it('reads may be conditional', async () => {
      const { ETag } = await put('read');
      assert.deepEqual(await bytesOf('read', { IfMatch: ETag }), body);
      await refused(bytesOf('read', { IfMatch: '"wrong"' }), 'PreconditionFailed', 412);
      // An answer of 304 has no body, so the SDK has no code to show.
      await refused(bytesOf('read', { IfNoneMatch: ETag }), 'Unknown', 304);
      await refused(bytesOf('read', { IfModifiedSince: new Date(Date.now() + 1000) }), 'Unknown', 304);
    });
  });

  it('type, metadata, storage class and encryption come back as they were given', async () => {
    const given = {
      ContentType: 'application/zstd',
      CacheControl: 'no-store',
      Metadata: { disk: 'a b', accent: 'é' },
      StorageClass: 'GLACIER_IR',
      ServerSideEncryption: 'aws:kms',
      SSEKMSKeyId: 'arn:aws:kms:us-east-1:000000000000:key/k',
      BucketKeyEnabled: true,
    } as const;
    const written = await put('facts', given);
    assert.equal(written.ServerSideEncryption, 'aws:kms');
    const facts = await head('facts');
    for (const name of Object.keys(given) as (keyof typeof given)[]) assert.deepEqual(facts[name], given[name]);
  });

  it('a copy has the bytes, and the metadata unless it is replaced', async () => {
    await put('copy/from', { Metadata: { a: '1' } });
    const copy = (Key: string, more: object = {}) =>
      s3.send(new CopyObjectCommand({ Bucket: BUCKET, Key, CopySource: `${BUCKET}/copy/from`, ...more }));
    await copy('copy/same');
    await copy('copy/other', { MetadataDirective: 'REPLACE', Metadata: { b: '2' } });
    assert.deepEqual(await bytesOf('copy/same'), body);
    assert.deepEqual((await head('copy/same')).Metadata, { a: '1' });
    assert.deepEqual((await head('copy/other')).Metadata, { b: '2' });
  });

  it('tags come back, from the header and from the call', async () => {
    await put('tags', { Tagging: 'a=1&b=x%20y' });
    const tags = async () => (await s3.send(new GetObjectTaggingCommand({ Bucket: BUCKET, Key: 'tags' }))).TagSet;
    assert.deepEqual(await tags(), [
      { Key: 'a', Value: '1' },
      { Key: 'b', Value: 'x y' },
    ]);
    const TagSet = [{ Key: 'c', Value: '<3>' }];
    await s3.send(new PutObjectTaggingCommand({ Bucket: BUCKET, Key: 'tags', Tagging: { TagSet } }));
    assert.deepEqual(await tags(), TagSet);
  });

  it('many objects are deleted at once, missing ones too', async () => {
    await Promise.all([put('bulk/1'), put('bulk/2 <&>')]);
    const Objects = ['bulk/1', 'bulk/2 <&>', 'bulk/missing'].map((Key) => ({ Key }));
    const answer = await s3.send(new DeleteObjectsCommand({ Bucket: BUCKET, Delete: { Objects } }));
    assert.deepEqual(
      answer.Deleted?.map(({ Key }) => Key),
      Objects.map(({ Key }) => Key),
    );
    await refused(head('bulk/2 <&>'), 'NotFound');
  });

  it('a key of 1,024 bytes is accepted, a longer one is not', async () => {
    await put('k'.repeat(1024));
    await refused(put('k'.repeat(1025)), 'KeyTooLongError', 400);
  });

  it('every answer carries a request id', async () => {
    assert.match((await put('id')).$metadata.requestId ?? '', /^[0-9A-F]{16}$/);
  });

  it('what the server does not know is refused, not taken for something else', async () => {
    const answer = await fetch(`${plain.server.endpoint}/${BUCKET}?lifecycle`);
    assert.equal(answer.status, 403, 'unsigned requests are refused before anything');
    await refused(
      put('acl', { ACL: 'public-read', StorageClass: 'NO_SUCH_CLASS' as 'STANDARD' }),
      'InvalidArgument',
      400,
    );
  });

  it('counts requests and bytes by operation, exactly', async () => {
    plain.server.counters.reset();
    await put('counted');
    await bytesOf('counted', { Range: 'bytes=0-999' });
    await head('counted');
    const { counters } = plain.server;
    assert.deepEqual(counters.of('PutObject'), { requests: 1, errors: 0, bytesIn: 150_000, bytesOut: 0 });
    assert.deepEqual(counters.of('GetObject'), { requests: 1, errors: 0, bytesIn: 0, bytesOut: 1000 });
    assert.deepEqual(counters.of('HeadObject'), { requests: 1, errors: 0, bytesIn: 0, bytesOut: 0 });
    assert.equal(counters.total().requests, 3);
  });
});
