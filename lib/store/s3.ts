/** The object storage port on S3 and what speaks its protocol. */

import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import {
  DeleteObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { ObjectNotFound, VaultUnavailable } from './failures.ts';
import type { ObjectLock } from './object-lock.ts';
import type {
  ByteRange,
  ListedObject,
  MultipartUpload,
  ObjectFacts,
  ObjectStore,
  PutOptions,
  UploadedPart,
} from './object-store.ts';
import type { RequestTally } from './request-tally.ts';
import { crc32Header, crc32OfWhole, unquoted } from './s3-checksum.ts';
import { asking, connect, type S3Connection, type S3Settings } from './s3-client.ts';
import { type Asked, faultFacts, goesOn } from './s3-failures.ts';
import { fetchObject } from './s3-fetch.ts';
import { extendLock, lockFields, shownLock } from './s3-locks.ts';
import { abortUpload, completeUpload, createUpload, listUploads, sendPart } from './s3-multipart.ts';

/** Put-if-absent goes round when another writer is in the middle of the same key; each round reads the key first. */
const CONFLICT_ROUNDS = 5;
/** 1,000 keys a page: a hundred million objects, beyond any vault. A server that repeats pages for ever ends here. */
const MAX_LIST_PAGES = 100_000;

/** The store over one bucket; disposing it closes its connections. */
export function s3Store(settings: S3Settings): ObjectStore & Disposable {
  return new S3Store(connect(settings));
}

/** How a conditional write went, as far as its answer tells. */
type PutAnswer =
  | { readonly kind: 'stored' }
  /** Somebody was first, or is at it. */
  | { readonly kind: 'conflict'; readonly error: unknown }
  /** The answer got lost, or the store broke while it worked. */
  | { readonly kind: 'unknown'; readonly error: unknown };

class S3Store implements ObjectStore, Disposable {
  readonly #s3: S3Connection;
  /** HEAD has no body to name its reason: without one look at the bucket a wrong bucket looks like an absent object. */
  #bucketSeen = false;

  constructor(connection: S3Connection) {
    this.#s3 = connection;
  }

  get tally(): RequestTally {
    return this.#s3.tally;
  }

  [Symbol.dispose](): void {
    this.#s3.client.destroy();
  }

  async put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<void> {
    await asking(this.#asked('put', key, options.signal), () => this.#put(key, body, options));
  }

  async putIfAbsent(key: string, body: Uint8Array, options: PutOptions = {}): Promise<'created' | 'exists'> {
    const asked = this.#asked('put-if-absent', key, options.signal);
    for (let round = 1; ; round++) {
      const answer = await asking(asked, () => this.#tryPutAbsent(key, body, options));
      if (answer.kind === 'stored') return 'created';
      // 412 may be the echo of our own first attempt, stored while its answer got lost; an error without a definite
      // answer may hide a success. Only what is stored tells.
      const stored = await this.#stored(key, options.signal);
      if (stored !== undefined) return stored.equals(body) ? 'created' : 'exists';
      if (answer.kind === 'unknown' || round === CONFLICT_ROUNDS) {
        await asking(asked, () => Promise.reject(answer.error));
      }
    }
  }

  async get(key: string, options: { range?: ByteRange; signal?: AbortSignal } = {}): Promise<Buffer> {
    const { range } = options;
    assert(range === undefined || range.start < range.end, `an empty range of ${key} was asked for`);
    return fetchObject(this.#s3, this.#asked('get', key, options.signal), range);
  }

  async head(key: string, options: { signal?: AbortSignal } = {}): Promise<ObjectFacts | undefined> {
    const asked = this.#asked('head', key, options.signal);
    try {
      const answer = await asking(asked, () =>
        this.#s3.client.send(new HeadObjectCommand({ Bucket: this.#s3.bucket, Key: key, ChecksumMode: 'ENABLED' }), {
          abortSignal: options.signal,
        }),
      );
      this.#bucketSeen = true;
      const crc32 = crc32OfWhole(answer);
      const lock = shownLock(answer.ObjectLockMode, answer.ObjectLockRetainUntilDate);
      return {
        bytes: answer.ContentLength ?? 0,
        etag: unquoted(answer.ETag),
        ...(crc32 === undefined ? {} : { crc32 }),
        ...(answer.VersionId === undefined ? {} : { versionId: answer.VersionId }),
        lastModified: answer.LastModified ?? new Date(0),
        storageClass: answer.StorageClass ?? 'STANDARD',
        ...(lock && { lock }),
      };
    } catch (error) {
      if (!(error instanceof ObjectNotFound)) throw error;
      await this.#lookAtBucket(options.signal);
      return undefined;
    }
  }

  async *list(prefix: string, options: { signal?: AbortSignal } = {}): AsyncGenerator<ListedObject> {
    const asked = this.#asked('list', `${prefix}*`, options.signal);
    let token: string | undefined;
    for (let page = 0; page < MAX_LIST_PAGES; page++) {
      const answer = await asking(asked, () =>
        this.#s3.client.send(
          new ListObjectsV2Command({ Bucket: this.#s3.bucket, Prefix: prefix, ContinuationToken: token }),
          { abortSignal: options.signal },
        ),
      );
      const isMore = goesOn(answer, asked);
      for (const { Key, Size, LastModified, ETag } of answer.Contents ?? []) {
        if (Key === undefined) continue;
        yield { key: Key, bytes: Size ?? 0, lastModified: LastModified ?? new Date(0), etag: unquoted(ETag) };
      }
      token = answer.NextContinuationToken;
      if (!isMore || token === undefined) return;
    }
    throw new VaultUnavailable(
      `listing ${prefix}* in bucket ${this.#s3.bucket} did not end after ${MAX_LIST_PAGES} pages`,
    );
  }

  async delete(key: string): Promise<void> {
    const asked = this.#asked('delete', key);
    try {
      await asking(asked, () => this.#s3.client.send(new DeleteObjectCommand({ Bucket: this.#s3.bucket, Key: key })));
    } catch (error) {
      if (!(error instanceof ObjectNotFound)) throw error;
    }
  }

  extendLock(key: string, lock: ObjectLock, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    return extendLock(this.#s3, this.#asked('put-retention', key, signal), lock);
  }

  createMultipartUpload(key: string, options: PutOptions = {}): Promise<MultipartUpload> {
    return createUpload(this.#s3, this.#asked('create-multipart-upload', key, options.signal), options);
  }

  uploadPart(
    upload: MultipartUpload,
    part: { partNumber: number; body: Buffer; crc32: number },
    signal?: AbortSignal,
  ): Promise<UploadedPart> {
    return sendPart(
      this.#s3,
      { upload, asked: this.#asked(`upload of part ${part.partNumber}`, upload.key, signal) },
      part,
    );
  }

  completeMultipartUpload(
    upload: MultipartUpload,
    whole: { parts: readonly UploadedPart[]; crc32: number },
    signal?: AbortSignal,
  ): Promise<void> {
    const asked = this.#asked('complete-multipart-upload', upload.key, signal);
    const options = signal === undefined ? {} : { signal };
    const look = () => this.head(upload.key, options);
    const list = () => this.#listed(upload.key, options);
    return completeUpload(this.#s3, { upload, asked, look, list }, whole);
  }

  async #listed(key: string, options: { signal?: AbortSignal }): Promise<ListedObject | undefined> {
    for await (const object of this.list(key, options)) if (object.key === key) return object;
    return undefined;
  }

  abortMultipartUpload(upload: MultipartUpload): Promise<void> {
    return abortUpload(this.#s3, this.#asked('abort-multipart-upload', upload.key), upload);
  }

  listMultipartUploads(prefix: string): AsyncGenerator<MultipartUpload & { readonly initiated: Date }> {
    return listUploads(this.#s3, this.#asked('list-multipart-uploads', `${prefix}*`), prefix);
  }

  #asked(operation: string, key: string, signal?: AbortSignal): Asked & { readonly key: string } {
    return { operation, bucket: this.#s3.bucket, endpoint: this.#s3.endpoint, key, signal };
  }

  async #put(key: string, body: Uint8Array, options: PutOptions & { readonly ifAbsent?: true }): Promise<void> {
    await this.#s3.client.send(
      new PutObjectCommand({
        Bucket: this.#s3.bucket,
        Key: key,
        // A Buffer is sent as it is, with its length, and again if need be.
        Body: Buffer.from(body.buffer, body.byteOffset, body.byteLength),
        ChecksumCRC32: crc32Header(crc32(body)),
        StorageClass: options.storageClass,
        ContentType: options.contentType,
        ServerSideEncryption: options.encryption === 'store-key' ? 'AES256' : undefined,
        IfNoneMatch: options.ifAbsent === true ? '*' : undefined,
        ...lockFields(options.lock),
      }),
      { abortSignal: options.signal },
    );
  }

  async #tryPutAbsent(key: string, body: Uint8Array, options: PutOptions): Promise<PutAnswer> {
    try {
      await this.#put(key, body, { ...options, ifAbsent: true });
      return { kind: 'stored' };
    } catch (error) {
      const { status } = faultFacts(error);
      if (options.signal?.aborted) throw error;
      if (status === 409 || status === 412) return { kind: 'conflict', error };
      if (status === undefined || status >= 500) return { kind: 'unknown', error };
      throw error;
    }
  }

  async #stored(key: string, signal: AbortSignal | undefined): Promise<Buffer | undefined> {
    try {
      return await this.get(key, { ...(signal && { signal }) });
    } catch (error) {
      if (error instanceof ObjectNotFound) return undefined;
      throw error;
    }
  }

  async #lookAtBucket(signal: AbortSignal | undefined): Promise<void> {
    if (this.#bucketSeen) return;
    const { bucket, endpoint } = this.#s3;
    await asking({ operation: 'head', bucket, endpoint, signal }, () =>
      this.#s3.client.send(new HeadBucketCommand({ Bucket: bucket }), { abortSignal: signal }),
    );
    this.#bucketSeen = true;
  }
}
