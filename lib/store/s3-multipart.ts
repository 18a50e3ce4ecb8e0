/** Multipart uploads on S3, with the answers of Complete decided by what is stored. */

import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { Bytes } from '#lib/units.ts';
import { UploadLost, VaultAccessDenied, VaultCorruption, VaultUnavailable } from './failures.ts';
import type { ListedObject, MultipartUpload, ObjectFacts, PutOptions, UploadedPart } from './object-store.ts';
import { crc32Header, unquoted } from './s3-checksum.ts';
import { asking, type S3Connection } from './s3-client.ts';
import { type Asked, faultFacts, goesOn } from './s3-failures.ts';
import { lockFields } from './s3-locks.ts';

/** 1,000 uploads a page: a million unfinished uploads under one prefix. */
const MAX_UPLOAD_PAGES = 1000;

type AskedOfKey = Asked & { readonly key: string };

/** The whole object as its writer knows it. */
interface Whole {
  readonly parts: readonly UploadedPart[];
  readonly crc32: number;
}

export async function createUpload(s3: S3Connection, asked: AskedOfKey, options: PutOptions): Promise<MultipartUpload> {
  const answer = await asking(asked, () =>
    s3.client.send(
      new CreateMultipartUploadCommand({
        Bucket: s3.bucket,
        Key: asked.key,
        StorageClass: options.storageClass,
        ContentType: options.contentType,
        ...lockFields(options.lock),
        // One CRC32 of the whole object, which Complete checks and HEAD shows, instead of a checksum of checksums.
        ChecksumAlgorithm: 'CRC32',
        ChecksumType: 'FULL_OBJECT',
      }),
      { abortSignal: asked.signal },
    ),
  );
  if (answer.UploadId === undefined)
    throw new VaultUnavailable(`${asked.operation} of ${asked.key}: no upload id came back`);
  return { key: asked.key, uploadId: answer.UploadId };
}

export async function sendPart(
  s3: S3Connection,
  { upload, asked }: { upload: MultipartUpload; asked: AskedOfKey },
  part: { partNumber: number; body: Buffer; crc32: number },
): Promise<UploadedPart> {
  const answer = await asking(asked, () =>
    s3.client.send(
      new UploadPartCommand({
        Bucket: s3.bucket,
        Key: upload.key,
        UploadId: upload.uploadId,
        PartNumber: part.partNumber,
        Body: part.body,
        ContentLength: part.body.length,
        ChecksumCRC32: crc32Header(part.crc32),
      }),
      { abortSignal: asked.signal },
    ),
  );
  return { partNumber: part.partNumber, etag: unquoted(answer.ETag), bytes: part.body.length, crc32: part.crc32 };
}

export interface Completion {
  readonly upload: MultipartUpload;
  readonly asked: AskedOfKey;
  /** What is stored under the key, by HEAD. */
  readonly look: () => Promise<ObjectFacts | undefined>;
  /** The same by LIST, which shows size and ETag to those who may not read. */
  readonly list: () => Promise<ListedObject | undefined>;
}

/**
 * An answer that repeats the checksum of the whole object settles it: S3 has compared size and content by then. Without
 * such an answer (it got lost, it holds an error, a retry was told that the upload is gone, the store knows no checksums)
 * it is decided by what is stored under the key; the answer only decides what is said when the object is not there.
 */
export async function completeUpload(s3: S3Connection, completion: Completion, whole: Whole): Promise<void> {
  const { upload, asked } = completion;
  const answer = await tryComplete(s3, { upload, asked }, whole);
  if (answer.kind === 'checked') return;
  const refusal = answer.kind === 'refused' ? answer.refusal : undefined;
  if (refusal !== undefined && isFinal(refusal)) throw refusal;
  const expectedBytes = whole.parts.reduce<Bytes>((sum, part) => sum + part.bytes, 0);
  const stored = await findStored(completion);
  if (stored !== undefined && isOurs(stored, { ...whole, expectedBytes, answered: refusal === undefined })) return;
  if (refusal instanceof VaultUnavailable && faultFacts(refusal.cause).status !== 409) throw refusal;
  const found = stored === undefined ? 'there is no object' : `the object there has ${describe(stored)}`;
  throw new UploadLost(
    `${asked.operation} of ${asked.key} in bucket ${asked.bucket}: ${found}, expected were ${describe({ bytes: expectedBytes, crc32: whole.crc32 })}. The object has to be written again`,
    { cause: refusal },
  );
}

/** What can be said of a stored object; `listed` when nobody here may ask for its checksum. */
interface Stored {
  readonly kind: 'seen' | 'listed';
  readonly bytes: Bytes;
  readonly etag: string;
  readonly crc32?: number;
}

/** A reader of disks may write packs and read none: S3 then answers a HEAD as if it were a GET. */
async function findStored({ look, list }: Completion): Promise<Stored | undefined> {
  try {
    const seen = await look();
    return seen && { kind: 'seen', ...seen };
  } catch (refusal) {
    if (!(refusal instanceof VaultAccessDenied)) throw refusal;
    const listed = await list();
    return listed && { kind: 'listed', bytes: listed.bytes, etag: listed.etag };
  }
}

async function tryComplete(
  s3: S3Connection,
  { upload, asked }: { upload: MultipartUpload; asked: AskedOfKey },
  whole: Whole,
): Promise<CompleteAnswer> {
  const checksum = crc32Header(whole.crc32);
  const command = new CompleteMultipartUploadCommand({
    Bucket: s3.bucket,
    Key: upload.key,
    UploadId: upload.uploadId,
    ChecksumCRC32: checksum,
    ChecksumType: 'FULL_OBJECT',
    MpuObjectSize: whole.parts.reduce((sum, part) => sum + part.bytes, 0),
    MultipartUpload: {
      Parts: whole.parts.map((part) => ({
        PartNumber: part.partNumber,
        ETag: part.etag,
        ChecksumCRC32: crc32Header(part.crc32),
      })),
    },
  });
  try {
    const { ChecksumCRC32 } = await asking(asked, () => s3.client.send(command, { abortSignal: asked.signal }));
    return { kind: ChecksumCRC32 === checksum ? 'checked' : 'answered' };
  } catch (refusal) {
    asked.signal?.throwIfAborted();
    return { kind: 'refused', refusal };
  }
}

type CompleteAnswer =
  | { readonly kind: 'checked' | 'answered' }
  | { readonly kind: 'refused'; readonly refusal: unknown };

/** Refusals that no lost answer can explain. NoSuchUpload is none: it is what a retry hears after a success. */
function isFinal(refusal: unknown): boolean {
  if (refusal instanceof VaultAccessDenied || refusal instanceof VaultCorruption) return true;
  return refusal instanceof UploadLost
    ? faultFacts(refusal.cause).code !== 'NoSuchUpload'
    : !(refusal instanceof VaultUnavailable);
}

/**
 * Size and CRC32 decide. A store that keeps no CRC32 is believed when it answered that it made the object of our size;
 * without such an answer the ETag has to be the one made of our parts. Who may only list decides by the size: S3 made the
 * object of parts whose checksums it compared, and such a writer must choose names that nobody else writes.
 */
function isOurs(stored: Stored, expected: Whole & { expectedBytes: Bytes; answered: boolean }): boolean {
  if (stored.bytes !== expected.expectedBytes) return false;
  if (stored.crc32 !== undefined) return stored.crc32 === expected.crc32;
  return stored.kind === 'listed' || expected.answered || stored.etag === etagOf(expected.parts);
}

/** MD5 over the MD5s of the parts, and their number: what S3 shows for unencrypted uploads, and compatibles always. */
function etagOf(parts: readonly UploadedPart[]): string {
  const hash = createHash('md5');
  for (const part of parts) hash.update(Buffer.from(part.etag, 'hex'));
  return `${hash.digest('hex')}-${parts.length}`;
}

function describe(facts: { bytes: Bytes; crc32?: number }): string {
  const checksum = facts.crc32 === undefined ? 'no CRC32' : `CRC32 ${facts.crc32.toString(16).padStart(8, '0')}`;
  return `${facts.bytes} bytes and ${checksum}`;
}

export async function abortUpload(s3: S3Connection, asked: AskedOfKey, upload: MultipartUpload): Promise<void> {
  try {
    await asking(asked, () =>
      s3.client.send(
        new AbortMultipartUploadCommand({ Bucket: s3.bucket, Key: upload.key, UploadId: upload.uploadId }),
      ),
    );
  } catch (error) {
    if (!(error instanceof UploadLost)) throw error;
  }
}

export async function* listUploads(
  s3: S3Connection,
  asked: AskedOfKey,
  prefix: string,
): AsyncGenerator<MultipartUpload & { readonly initiated: Date }> {
  let after: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } = {};
  for (let page = 0; page < MAX_UPLOAD_PAGES; page++) {
    const answer = await asking(asked, () =>
      s3.client.send(new ListMultipartUploadsCommand({ Bucket: s3.bucket, Prefix: prefix, ...after })),
    );
    const isMore = goesOn(answer, asked);
    for (const { Key, UploadId, Initiated } of answer.Uploads ?? []) {
      if (Key === undefined || UploadId === undefined) continue;
      yield { key: Key, uploadId: UploadId, initiated: Initiated ?? new Date(0) };
    }
    if (!isMore) return;
    after = { KeyMarker: answer.NextKeyMarker, UploadIdMarker: answer.NextUploadIdMarker };
  }
  throw new VaultUnavailable(
    `listing the uploads of ${prefix}* in bucket ${s3.bucket} did not end after ${MAX_UPLOAD_PAGES} pages`,
  );
}
