import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  GetObjectLockConfigurationCommand,
  GetObjectRetentionCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  type ObjectLockRetention,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { type Plain, refused, startPlain } from './plain-client.ts';

const DAY_MS = 86_400_000;

describe('versions on the embedded server', () => {
  let plain: Plain;
  let s3: S3Client;
  const Bucket = 'versioned';
  before(async () => {
    plain = await startPlain();
    s3 = plain.s3;
    await s3.send(new CreateBucketCommand({ Bucket }));
    await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }));
  });
  after(() => plain[Symbol.asyncDispose]());

  const put = async (Key: string, Body: string) =>
    (await s3.send(new PutObjectCommand({ Bucket, Key, Body }))).VersionId!;
  const text = async (Key: string, VersionId?: string) => {
    const answer = await s3.send(new GetObjectCommand({ Bucket, Key, ...(VersionId && { VersionId }) }));
    return answer.Body!.transformToString();
  };
  const remove = (Key: string, VersionId?: string) =>
    s3.send(new DeleteObjectCommand({ Bucket, Key, ...(VersionId && { VersionId }) }));

  it('the setting is shown', async () => {
    assert.equal((await s3.send(new GetBucketVersioningCommand({ Bucket }))).Status, 'Enabled');
  });

  it('every version can be read, and the newest is the current one', async () => {
    const [one, two] = [await put('read', 'one'), await put('read', 'two')];
    assert.deepEqual([await text('read'), await text('read', one), await text('read', two)], ['two', 'one', 'two']);
    await refused(text('read', 'no-such-version'), 'NoSuchVersion', 404);
  });

  it('a delete hides the object behind a marker; removing the marker brings it back', async () => {
    await put('hide', 'content');
    const marker = await remove('hide');
    assert.equal(marker.DeleteMarker, true);
    await refused(text('hide'), 'NoSuchKey', 404);
    const listed = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'hide' }));
    assert.equal(listed.KeyCount, 0);
    await remove('hide', marker.VersionId);
    assert.equal(await text('hide'), 'content');
  });

  it('a key hidden by a marker is free for If-None-Match: *', async () => {
    await put('free', 'old');
    await remove('free');
    await s3.send(new PutObjectCommand({ Bucket, Key: 'free', Body: 'new', IfNoneMatch: '*' }));
    assert.equal(await text('free'), 'new');
  });

  it('deleting the current version brings the one before to light', async () => {
    const [one, two] = [await put('light', 'one'), await put('light', 'two')];
    await remove('light', two);
    assert.equal(await text('light'), 'one');
    await remove('light', one);
    await refused(text('light'), 'NoSuchKey', 404);
  });

  it('versions and markers are listed by pages, newest first within a key', async () => {
    const ids = [await put('list/a', '1'), await put('list/a', '2'), await put('list/b', '3')];
    const marker = (await remove('list/b')).VersionId!;
    const seen: string[] = [];
    let markers: object = {};
    for (let page = 0; page < 4; page++) {
      const answer = await s3.send(new ListObjectVersionsCommand({ Bucket, Prefix: 'list/', MaxKeys: 1, ...markers }));
      seen.push(...[...(answer.Versions ?? []), ...(answer.DeleteMarkers ?? [])].map(({ VersionId }) => VersionId!));
      assert.equal(answer.IsTruncated, page < 3);
      markers = { KeyMarker: answer.NextKeyMarker, VersionIdMarker: answer.NextVersionIdMarker };
    }
    assert.deepEqual(seen, [ids[1], ids[0], marker, ids[2]]);
    const latest = (await s3.send(new ListObjectVersionsCommand({ Bucket, Prefix: 'list/' }))).Versions?.filter(
      ({ IsLatest }) => IsLatest,
    );
    assert.deepEqual(
      latest?.map(({ VersionId }) => VersionId),
      [ids[1]],
    );
  });

  it('suspended, a bucket keeps old versions and has one that is called null', async () => {
    const kept = await put('suspended', 'kept');
    const suspend = (Status: 'Enabled' | 'Suspended') =>
      s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status } }));
    await suspend('Suspended');
    assert.equal(await put('suspended', 'first'), 'null');
    assert.equal(await put('suspended', 'second'), 'null');
    await suspend('Enabled');
    assert.equal(await text('suspended', 'null'), 'second');
    assert.equal(await text('suspended', kept), 'kept');
  });

  it('a bucket with versions left is not empty', async () => {
    await s3.send(new CreateBucketCommand({ Bucket: 'short-lived' }));
    await s3.send(new PutObjectCommand({ Bucket: 'short-lived', Key: 'k', Body: 'x' }));
    await refused(s3.send(new DeleteBucketCommand({ Bucket: 'short-lived' })), 'BucketNotEmpty', 409);
    await s3.send(new DeleteObjectCommand({ Bucket: 'short-lived', Key: 'k' }));
    await s3.send(new DeleteBucketCommand({ Bucket: 'short-lived' }));
    await refused(s3.send(new HeadBucketCommand({ Bucket: 'short-lived' })), 'NotFound', 404);
    const names = (await s3.send(new ListBucketsCommand({}))).Buckets?.map(({ Name }) => Name);
    assert.deepEqual(names, ['plain-bucket', 'versioned']);
    await refused(s3.send(new CreateBucketCommand({ Bucket })), 'BucketAlreadyOwnedByYou', 409);
    await refused(s3.send(new CreateBucketCommand({ Bucket: 'No_Bucket' })), 'InvalidBucketName', 400);
  });
});

describe('Object Lock on the embedded server', () => {
  let plain: Plain;
  let s3: S3Client;
  let now = new Date();
  const Bucket = 'locked';
  before(async () => {
    plain = await startPlain({ now: () => now });
    s3 = plain.s3;
    await s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
  });
  after(() => plain[Symbol.asyncDispose]());

  const inDays = (days: number) => new Date(now.getTime() + days * DAY_MS);
  const put = async (Key: string, more: object = {}) =>
    (await s3.send(new PutObjectCommand({ Bucket, Key, Body: 'x', ...more }))).VersionId!;
  const remove = (Key: string, VersionId: string, more: object = {}) =>
    s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId, ...more }));
  const retain = (Key: string, Retention: ObjectLockRetention, more: object = {}) =>
    s3.send(new PutObjectRetentionCommand({ Bucket, Key, Retention, ...more }));
  const compliance = (days: number) => ({ Mode: 'COMPLIANCE', RetainUntilDate: inDays(days) }) as const;
  const governance = (days: number) => ({ Mode: 'GOVERNANCE', RetainUntilDate: inDays(days) }) as const;

  it('a version under COMPLIANCE is not deleted by anybody until its date', async () => {
    const lock = { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: inDays(2) };
    const id = await put('compliance', lock);
    await refused(remove('compliance', id), 'AccessDenied', 403);
    await refused(remove('compliance', id, { BypassGovernanceRetention: true }), 'AccessDenied', 403);
    // A delete marker on top is no deletion.
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'compliance' }));
    const before = now;
    now = inDays(3);
    // The client signs with its own clock, two days behind: what matters here is the lock's date, not the signature's.
    const late = plain.client({ systemClockOffset: 3 * DAY_MS });
    await late.send(new DeleteObjectCommand({ Bucket, Key: 'compliance', VersionId: id }));
    now = before;
  });

  it('a version under GOVERNANCE is deleted only with the bypass', async () => {
    const id = await put('governance', { ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: inDays(2) });
    await refused(remove('governance', id), 'AccessDenied', 403);
    await remove('governance', id, { BypassGovernanceRetention: true });
  });

  it('a date may be moved out; earlier only under GOVERNANCE and with the bypass', async () => {
    await put('extend', { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: inDays(2) });
    await retain('extend', compliance(5));
    await refused(retain('extend', compliance(4), { BypassGovernanceRetention: true }), 'AccessDenied', 403);
    await refused(retain('extend', governance(9), { BypassGovernanceRetention: true }), 'AccessDenied', 403);
    const { Retention } = await s3.send(new GetObjectRetentionCommand({ Bucket, Key: 'extend' }));
    assert.deepEqual(Retention?.RetainUntilDate, inDays(5));
    await put('shorten', { ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: inDays(5) });
    await refused(retain('shorten', governance(4)), 'AccessDenied', 403);
    await retain('shorten', governance(4), { BypassGovernanceRetention: true });
  });

  it('a legal hold holds until it is taken off', async () => {
    const id = await put('hold', { ObjectLockLegalHoldStatus: 'ON' });
    await refused(remove('hold', id), 'AccessDenied', 403);
    await s3.send(new PutObjectLegalHoldCommand({ Bucket, Key: 'hold', LegalHold: { Status: 'OFF' } }));
    await remove('hold', id);
  });

  it("the bucket's default holds for objects without their own, multipart ones too", async () => {
    const ObjectLockConfiguration = {
      ObjectLockEnabled: 'Enabled',
      Rule: { DefaultRetention: { Mode: 'GOVERNANCE', Days: 7 } },
    } as const;
    await s3.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration }));
    const shown = await s3.send(new GetObjectLockConfigurationCommand({ Bucket }));
    assert.deepEqual(shown.ObjectLockConfiguration, ObjectLockConfiguration);
    const lock = { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: inDays(1) } as const;
    for (const [Key, own, expected] of [
      ['default', {}, 'GOVERNANCE'],
      ['own', lock, 'COMPLIANCE'],
    ] as const) {
      const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key, ...own }));
      const { ETag } = await s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: 'x' }));
      const Parts = [{ PartNumber: 1, ETag }];
      await s3.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }));
      const facts = await s3.send(new HeadObjectCommand({ Bucket, Key }));
      assert.equal(facts.ObjectLockMode, expected);
    }
  });

  it('a bucket without Object Lock refuses it', async () => {
    const lock = { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: inDays(1) } as const;
    await refused(
      s3.send(new PutObjectCommand({ Bucket: 'plain-bucket', Key: 'k', Body: 'x', ...lock })),
      'InvalidRequest',
      400,
    );
  });
});
