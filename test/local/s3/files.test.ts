import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  ListPartsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { BUCKET, refused, startPlain } from './plain-client.ts';

const MIB = 1024 * 1024;

describe('the files of the embedded server', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'blockferry-s3-files-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const credentials = { accessKeyId: 'KEPT', secretAccessKey: 'kept-secret' };
  const start = () => startPlain({ directory: folder, credentials });
  const put = (s3: S3Client, Key: string, Body: string | Buffer) =>
    s3.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body }));
  const bytesOf = async (s3: S3Client, Key: string) => {
    const answer = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key }));
    return Buffer.from(await answer.Body!.transformToByteArray());
  };
  const dataFiles = () => readdir(join(folder, 'data'));
  /** Files go after the answer that made them useless, when the last reader is done. */
  const dataFilesBecome = async (count: number) => {
    for (let attempt = 0; attempt < 100 && (await dataFiles()).length !== count; attempt++) await sleep(10);
    assert.equal((await dataFiles()).length, count);
  };

  it('objects, versions, unfinished uploads and settings survive a restart', async () => {
    const body = randomBytes(100_000);
    let uploadId: string | undefined;
    {
      await using plain = await start();
      const { s3 } = plain;
      await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'k', Body: body, StorageClass: 'GLACIER_IR' }));
      await s3.send(new CreateBucketCommand({ Bucket: 'second' }));
      const VersioningConfiguration = { Status: 'Enabled' } as const;
      await s3.send(new PutBucketVersioningCommand({ Bucket: 'second', VersioningConfiguration }));
      for (const Body of ['1', '2', '3']) await s3.send(new PutObjectCommand({ Bucket: 'second', Key: 'v', Body }));
      await s3.send(new DeleteObjectCommand({ Bucket: 'second', Key: 'v' }));
      const upload = await s3.send(new CreateMultipartUploadCommand({ Bucket: BUCKET, Key: 'up' }));
      uploadId = upload.UploadId;
      const about = { Bucket: BUCKET, Key: 'up', UploadId: uploadId };
      await s3.send(new UploadPartCommand({ ...about, PartNumber: 1, Body: body }));
    }
    await using plain = await start();
    const { s3 } = plain;
    assert.deepEqual(await bytesOf(s3, 'k'), body);
    const facts = await s3.send(new HeadObjectCommand({ Bucket: BUCKET, Key: 'k', ChecksumMode: 'ENABLED' }));
    assert.equal(facts.StorageClass, 'GLACIER_IR');
    assert.equal(facts.ETag, `"${createHash('md5').update(body).digest('hex')}"`);
    assert.notEqual(facts.ChecksumCRC32, undefined);
    const versions = await s3.send(new ListObjectVersionsCommand({ Bucket: 'second' }));
    assert.deepEqual([versions.Versions?.length, versions.DeleteMarkers?.[0]?.IsLatest], [3, true]);
    const about = { Bucket: BUCKET, Key: 'up', UploadId: uploadId };
    const { Parts } = await s3.send(new ListPartsCommand(about));
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag: Parts?.[0]?.ETag }] };
    await s3.send(new CompleteMultipartUploadCommand({ ...about, MultipartUpload }));
    assert.deepEqual(await bytesOf(s3, 'up'), body);
  });

  it('a completed upload that a crash left lying does not take the object with it when it is aborted', async () => {
    const about = { Bucket: BUCKET, Key: 'up' };
    let UploadId: string | undefined;
    {
      await using plain = await start();
      ({ UploadId } = await plain.s3.send(new CreateMultipartUploadCommand(about)));
      const { ETag } = await plain.s3.send(new UploadPartCommand({ ...about, UploadId, PartNumber: 1, Body: 'part' }));
      const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
      await plain.s3.send(new CompleteMultipartUploadCommand({ ...about, UploadId, MultipartUpload }));
    }
    // What is there when the power goes between the object's record and the removal of the upload's.
    const uploads = join(folder, 'buckets', BUCKET, 'uploads', UploadId!);
    await mkdir(uploads);
    const record = {
      kind: 'upload',
      key: 'up',
      uploadId: UploadId,
      initiatedMs: 0,
      headers: {},
      storageClass: 'STANDARD',
    };
    await writeFile(join(uploads, 'upload.json'), JSON.stringify(record));
    const [file] = await dataFiles();
    const part = { kind: 'part', partNumber: 1, etag: 'x', modifiedMs: 0, segment: { file, bytes: 4 } };
    await writeFile(join(uploads, 'part-1.json'), JSON.stringify(part));
    await using plain = await start();
    await refused(plain.s3.send(new AbortMultipartUploadCommand({ ...about, UploadId })), 'NoSuchUpload');
    assert.equal((await bytesOf(plain.s3, 'up')).toString(), 'part');
  });

  it('what a crash left between bytes and record is removed at the next start', async () => {
    {
      await using plain = await start();
      await put(plain.s3, 'k', 'content');
    }
    await writeFile(join(folder, 'data', 'orphan'), 'bytes without a record');
    await writeFile(join(folder, 'buckets', BUCKET, 'versions', '.half-written'), '{"kind":"obj');
    await using plain = await start();
    assert.equal((await dataFiles()).length, 1);
    assert.deepEqual(await readdir(join(folder, 'buckets', BUCKET, 'versions')), ['0000000000000001.json']);
    assert.equal((await bytesOf(plain.s3, 'k')).toString(), 'content');
  });

  it('replaced and deleted objects leave no bytes behind', async () => {
    await using plain = await start();
    await put(plain.s3, 'k', 'one');
    await put(plain.s3, 'k', 'two');
    await dataFilesBecome(1);
    await plain.s3.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: 'k' }));
    await dataFilesBecome(0);
  });

  it('a reader of an object that is replaced meanwhile gets the old bytes to the end', async () => {
    await using plain = await start();
    const { s3 } = plain;
    const about = { Bucket: BUCKET, Key: 'k' };
    // Far more than a socket's buffers hold, so that the last part's file is opened long after the object is gone.
    const old = [1, 2, 3].map(() => randomBytes(12 * MIB));
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand(about));
    const Parts: { PartNumber: number; ETag: string | undefined }[] = [];
    for (const [index, Body] of old.entries()) {
      const { ETag } = await s3.send(new UploadPartCommand({ ...about, UploadId, PartNumber: index + 1, Body }));
      Parts.push({ PartNumber: index + 1, ETag });
    }
    await s3.send(new CompleteMultipartUploadCommand({ ...about, UploadId, MultipartUpload: { Parts } }));
    const { Body } = await s3.send(new GetObjectCommand(about));
    await put(s3, 'k', 'new');
    await s3.send(new DeleteObjectCommand(about));
    await dataFilesBecome(3);
    assert(Buffer.from(await Body!.transformToByteArray()).equals(Buffer.concat(old)));
    await dataFilesBecome(0);
  });

  it('a refused, and a broken, upload leaves no bytes behind', async () => {
    await using plain = await start();
    await refused(
      plain.s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'k', Body: 'x', ChecksumCRC32: 'AAAAAA==' })),
      'BadDigest',
    );
    const stop = new AbortController();
    const putting = plain.s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'k', Body: randomBytes(30 * MIB) }), {
      abortSignal: stop.signal,
    });
    while ((await dataFiles()).length === 0) await sleep(5);
    stop.abort();
    await assert.rejects(putting);
    await dataFilesBecome(0);
    assert.equal((await plain.s3.send(new ListObjectsV2Command({ Bucket: BUCKET }))).KeyCount, 0);
  });

  it('the command serves a folder, says how to reach it, and ends when told to', async () => {
    const cli = join(import.meta.dirname, '../../../local/s3/cli.ts');
    const serve = async () => {
      const child = spawn(process.execPath, [cli, '--dir', folder, '--port', '0', '--bucket', BUCKET], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const lines: string[] = [];
      for await (const chunk of child.stdout) {
        lines.push(...String(chunk).trim().split('\n'));
        if (lines.length === 4) break;
      }
      const settings = Object.fromEntries(lines.map((line) => line.split('=') as [string, string]));
      return { child, settings };
    };
    const first = await serve();
    first.child.kill('SIGTERM');
    assert.deepEqual(await once(first.child, 'exit'), [0, null]);
    const second = await serve();
    assert.equal(second.settings['AWS_ACCESS_KEY_ID'], first.settings['AWS_ACCESS_KEY_ID']);
    await using plain = await startPlain();
    const s3 = plain.client({
      endpoint: second.settings['AWS_ENDPOINT_URL_S3']!,
      credentials: {
        accessKeyId: second.settings['AWS_ACCESS_KEY_ID']!,
        secretAccessKey: second.settings['AWS_SECRET_ACCESS_KEY']!,
      },
    });
    await put(s3, 'k', 'x');
    second.child.kill('SIGTERM');
    await once(second.child, 'exit');
  });
});
