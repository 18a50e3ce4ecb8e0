import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { BUCKET, type Plain, refused, startPlain } from './plain-client.ts';

const MIB = 1024 * 1024;

describe('multipart uploads on the embedded server', () => {
  let plain: Plain;
  let s3: S3Client;
  before(async () => {
    plain = await startPlain();
    s3 = plain.s3;
  });
  after(() => plain[Symbol.asyncDispose]());

  const first = randomBytes(5 * MIB);
  const last = randomBytes(1000);
  const base64 = (crc: number) => Buffer.from(crc.toString(16).padStart(8, '0'), 'hex').toString('base64');
  const begin = async (Key: string, more: Partial<CreateMultipartUploadCommandInput> = {}) => {
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket: BUCKET, Key, ...more }));
    return { Bucket: BUCKET, Key, UploadId: UploadId! };
  };
  type Upload = Awaited<ReturnType<typeof begin>>;
  const send = async (upload: Upload, PartNumber: number, part: Buffer | object): Promise<CompletedPart> => {
    const more = Buffer.isBuffer(part) ? { Body: part } : part;
    const answer = await s3.send(new UploadPartCommand({ ...upload, PartNumber, ...more }));
    const { ETag, ChecksumCRC32, ChecksumCRC64NVME } = answer;
    return {
      PartNumber,
      ETag: ETag!,
      ...(ChecksumCRC32 && { ChecksumCRC32 }),
      ...(ChecksumCRC64NVME && { ChecksumCRC64NVME }),
    };
  };
  const complete = (upload: Upload, Parts: CompletedPart[], more: object = {}) =>
    s3.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts }, ...more }));
  const bytesOf = async (Key: string, more: object = {}) => {
    const answer = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key, ...more }));
    return Buffer.from(await answer.Body!.transformToByteArray());
  };

  it('a COMPOSITE checksum is that of the parts checksums, and the ETag carries their number', async () => {
    const upload = await begin('composite', { ChecksumAlgorithm: 'CRC32' });
    const answer = await complete(upload, [await send(upload, 1, first), await send(upload, 2, last)]);
    assert.match(answer.ETag ?? '', /^"[0-9a-f]{32}-2"$/);
    const digests = [first, last].map((part) => Buffer.from(base64(crc32(part)), 'base64'));
    assert.equal(answer.ChecksumCRC32, `${base64(crc32(Buffer.concat(digests)))}-2`);
    const facts = await s3.send(new HeadObjectCommand({ Bucket: BUCKET, Key: 'composite', ChecksumMode: 'ENABLED' }));
    assert.equal(facts.ChecksumType, 'COMPOSITE');
    assert.equal(facts.ETag, answer.ETag);
  });

  it('a FULL_OBJECT checksum is that of the bytes, whatever the parts, and wrong ones are refused', async () => {
    const upload = await begin('full', { ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' });
    const parts = [await send(upload, 1, first), await send(upload, 5, last)];
    const right = base64(crc32(Buffer.concat([first, last])));
    await refused(
      complete(upload, parts, { ChecksumCRC32: 'AAAAAA==', ChecksumType: 'FULL_OBJECT' }),
      'BadDigest',
      400,
    );
    const answer = await complete(upload, parts, { ChecksumCRC32: right, ChecksumType: 'FULL_OBJECT' });
    assert.equal(answer.ChecksumCRC32, right);
    assert.deepEqual(await bytesOf('full', { ChecksumMode: 'ENABLED' }), Buffer.concat([first, last]));
  });

  it('CRC64NVME parts combine to the checksum of the whole, which the SDK verifies', async () => {
    const upload = await begin('crc64', { ChecksumAlgorithm: 'CRC64NVME' });
    const parts = [
      await send(upload, 1, { Body: first, ChecksumAlgorithm: 'CRC64NVME' }),
      await send(upload, 2, { Body: last, ChecksumAlgorithm: 'CRC64NVME' }),
    ];
    const combined = (await complete(upload, parts)).ChecksumCRC64NVME;
    const whole = Buffer.concat([first, last]);
    const { ChecksumCRC64NVME } = await s3.send(
      new PutObjectCommand({ Bucket: BUCKET, Key: 'crc64/put', Body: whole, ChecksumAlgorithm: 'CRC64NVME' }),
    );
    assert.equal(combined, ChecksumCRC64NVME);
  });

  it('a part may be a stream with a trailer', async () => {
    const upload = await begin('stream');
    const Body = Readable.from([last]);
    const { ETag } = await s3.send(
      new UploadPartCommand({ ...upload, PartNumber: 1, Body, ContentLength: last.length }),
    );
    await complete(upload, [{ PartNumber: 1, ETag: ETag! }]);
    assert.deepEqual(await bytesOf('stream'), last);
  });

  it('a part may be read by its number', async () => {
    const upload = await begin('by-number');
    await complete(upload, [await send(upload, 3, first), await send(upload, 9, last)]);
    assert.deepEqual(await bytesOf('by-number', { PartNumber: 2 }), last);
  });

  it('a part may be copied from a range of an object', async () => {
    await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'source', Body: first }));
    const upload = await begin('copied');
    const { CopyPartResult } = await s3.send(
      new UploadPartCopyCommand({
        ...upload,
        PartNumber: 1,
        CopySource: `${BUCKET}/source`,
        CopySourceRange: 'bytes=100-199',
      }),
    );
    await complete(upload, [{ PartNumber: 1, ETag: CopyPartResult!.ETag! }]);
    assert.deepEqual(await bytesOf('copied'), first.subarray(100, 200));
  });

  it('a list that does not fit the parts is refused for what is wrong with it', async () => {
    const upload = await begin('refused');
    const one = await send(upload, 1, last);
    const two = await send(upload, 2, last);
    await refused(complete(upload, [two, one]), 'InvalidPartOrder', 400);
    await refused(complete(upload, [one, two]), 'EntityTooSmall', 400);
    await refused(complete(upload, [{ ...one, ETag: '"0123456789abcdef0123456789abcdef"' }]), 'InvalidPart', 400);
    await refused(complete(upload, [{ ...one, PartNumber: 3 }]), 'InvalidPart', 400);
    await refused(complete(upload, []), 'MalformedXML', 400);
    await refused(complete(upload, [one], { MpuObjectSize: 999 }), 'InvalidRequest', 400);
    await complete(upload, [one], { MpuObjectSize: 1000 });
  });

  it('parts are numbered from 1 to 10,000', async () => {
    const upload = await begin('numbers');
    await refused(send(upload, 0, last), 'InvalidArgument', 400);
    await refused(send(upload, 10_001, last), 'InvalidArgument', 400);
    await complete(upload, [await send(upload, 10_000, last)]);
  });

  it('a part with another algorithm than the upload is refused', async () => {
    const upload = await begin('mixed', { ChecksumAlgorithm: 'CRC32C' });
    await refused(send(upload, 1, { Body: last, ChecksumAlgorithm: 'CRC32' }), 'InvalidRequest', 400);
  });

  it('Complete may be conditional on the absence of the object', async () => {
    await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'taken', Body: 'x' }));
    const upload = await begin('taken');
    const parts = [await send(upload, 1, last)];
    await refused(complete(upload, parts, { IfNoneMatch: '*' }), 'PreconditionFailed', 412);
    await complete(upload, parts);
  });

  it('of many Completes of one upload all succeed with one ETag, and there is one object', async () => {
    const upload = await begin('eightfold');
    const parts = [await send(upload, 1, first), await send(upload, 2, last)];
    const answers = await Promise.all(Array.from({ length: 8 }, () => complete(upload, parts)));
    assert.equal(new Set(answers.map(({ ETag }) => ETag)).size, 1);
    assert.deepEqual(await bytesOf('eightfold'), Buffer.concat([first, last]));
  });

  it('an aborted upload is gone, and so it says', async () => {
    const upload = await begin('aborted');
    await send(upload, 1, last);
    await s3.send(new AbortMultipartUploadCommand(upload));
    await refused(send(upload, 1, last), 'NoSuchUpload', 404);
    await refused(s3.send(new ListPartsCommand(upload)), 'NoSuchUpload', 404);
    await refused(s3.send(new AbortMultipartUploadCommand(upload)), 'NoSuchUpload', 404);
  });

  it('parts are listed by pages, the last sent of each number', async () => {
    const upload = await begin('listed');
    for (const number of [3, 1, 2, 3]) await send(upload, number, Buffer.alloc(number));
    const page = await s3.send(new ListPartsCommand({ ...upload, MaxParts: 2 }));
    assert.deepEqual([page.IsTruncated, page.Parts?.map(({ PartNumber }) => PartNumber)], [true, [1, 2]]);
    const rest = await s3.send(new ListPartsCommand({ ...upload, PartNumberMarker: page.NextPartNumberMarker! }));
    assert.deepEqual([rest.IsTruncated, rest.Parts?.map(({ Size }) => Size)], [false, [3]]);
  });

  it('uploads are listed by pages, and are no objects', async () => {
    for (const Key of ['up/a', 'up/b', 'up/b', 'up/c']) await begin(Key);
    const seen: string[] = [];
    let markers: object = {};
    for (let page = 0; page < 4; page++) {
      const answer = await s3.send(
        new ListMultipartUploadsCommand({ Bucket: BUCKET, Prefix: 'up/', MaxUploads: 1, ...markers }),
      );
      seen.push(...(answer.Uploads ?? []).map(({ Key }) => Key!));
      markers = { KeyMarker: answer.NextKeyMarker, UploadIdMarker: answer.NextUploadIdMarker };
    }
    assert.deepEqual(seen, ['up/a', 'up/b', 'up/b', 'up/c']);
    const objects = await s3.send(new ListObjectsV2Command({ Bucket: BUCKET, Prefix: 'up/' }));
    assert.equal(objects.KeyCount, 0);
  });
});
