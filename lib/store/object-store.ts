/**
 * The object storage port: what the vault needs of S3, in the words of S3. Two implementations are held equal by one
 * contract suite (test/contract/object-store.ts): S3 itself and an in-memory fake that can fail in every way S3 can.
 */

import type { Bytes } from '#lib/units.ts';
import type { ObjectLock } from './object-lock.ts';
import type { RequestTally } from './request-tally.ts';

export type StorageClass = 'STANDARD' | 'INTELLIGENT_TIERING' | 'STANDARD_IA' | 'GLACIER_IR';

/** How an object is stored; what is left out is the bucket's default. */
export interface PutOptions {
  readonly storageClass?: StorageClass;
  readonly contentType?: string;
  /** Needs a bucket with Object Lock; without one the store refuses the object. */
  readonly lock?: ObjectLock;
  /**
   * `store-key`: encrypted with a key of the store's own (SSE-S3) instead of the bucket's, so that who may read the object
   * needs no right to that key as well. A store that is not S3 itself does as with any other object.
   */
  readonly encryption?: 'store-key';
  readonly signal?: AbortSignal;
}

export interface ObjectFacts {
  readonly bytes: Bytes;
  readonly etag: string;
  /** CRC32 of the whole object, when the store keeps one; S3-compatible servers may not. */
  readonly crc32?: number;
  readonly versionId?: string;
  readonly lastModified: Date;
  /** As the store names it; a lifecycle rule may have moved the object to a class that Blockferry never writes to. */
  readonly storageClass: string;
  /** Absent for an object without lock, and for who may not see it. */
  readonly lock?: ObjectLock;
}

export interface ListedObject {
  readonly key: string;
  readonly bytes: Bytes;
  readonly lastModified: Date;
  readonly etag: string;
}

/** An upload in progress. The parts belong to the store; the uploader keeps only their numbers, sizes and ETags. */
export interface MultipartUpload {
  readonly key: string;
  readonly uploadId: string;
}

export interface UploadedPart {
  /** From 1 to 10,000. */
  readonly partNumber: number;
  readonly etag: string;
  readonly bytes: Bytes;
  readonly crc32: number;
}

/** Half-open byte range [start, end). */
export interface ByteRange {
  readonly start: Bytes;
  readonly end: Bytes;
}

export interface ObjectStore {
  /** What this connection has asked for so far; absent where requests are not billed. */
  readonly tally?: RequestTally;

  /** Writes or replaces the object. */
  put(key: string, body: Uint8Array, options?: PutOptions): Promise<void>;

  /**
   * Writes the object only if the key is free. A lost answer is resolved by reading back: `created` when the stored
   * bytes equal `body` (a retry of our own request), `exists` when somebody else's object is there.
   */
  putIfAbsent(key: string, body: Uint8Array, options?: PutOptions): Promise<'created' | 'exists'>;

  /**
   * Throws ObjectNotFound. A body cut short is fetched again; a range that is not wholly inside the object throws
   * RangeNotSatisfiable. The range must not be empty.
   */
  get(key: string, options?: { range?: ByteRange; signal?: AbortSignal }): Promise<Buffer>;

  /** Undefined when there is no such object. */
  head(key: string, options?: { signal?: AbortSignal }): Promise<ObjectFacts | undefined>;

  /** Every object whose key begins with `prefix`, in key order, a page at a time. */
  list(prefix: string, options?: { signal?: AbortSignal }): AsyncIterable<ListedObject>;

  /** Removes the current object; not an error when there is none. In a versioned bucket this adds a delete marker. */
  delete(key: string): Promise<void>;

  /**
   * Makes the lock of the current object hold at least as `lock` says; what holds longer or stricter stays as it is, so
   * that it may be repeated. Throws ObjectNotFound.
   */
  extendLock(key: string, lock: ObjectLock, options?: { signal?: AbortSignal }): Promise<void>;

  createMultipartUpload(key: string, options?: PutOptions): Promise<MultipartUpload>;

  /** Sends one part; the store checks `crc32`. May be repeated: the last one sent with a number counts. */
  uploadPart(
    upload: MultipartUpload,
    part: { partNumber: number; body: Buffer; crc32: number },
    signal?: AbortSignal,
  ): Promise<UploadedPart>;

  /**
   * Makes the object from its parts; `crc32` is that of the whole object. A lost answer, an answer that carries an
   * error and a repeated call are resolved by looking at what is stored under the key.
   */
  completeMultipartUpload(
    upload: MultipartUpload,
    whole: { parts: readonly UploadedPart[]; crc32: number },
    signal?: AbortSignal,
  ): Promise<void>;

  /** Drops the upload and its parts; not an error when it is gone. */
  abortMultipartUpload(upload: MultipartUpload): Promise<void>;

  /** Uploads that were begun under `prefix` and neither completed nor aborted. */
  listMultipartUploads(prefix: string): AsyncIterable<MultipartUpload & { readonly initiated: Date }>;
}
