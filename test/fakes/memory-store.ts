/**
 * A versioned bucket in memory, and the object storage port on it.
 *
 * The bucket is the world; a store is one process's connection to it. Several processes may hold stores with faults of
 * their own on one bucket, and a process that crashed cannot touch the bucket any more.
 */

import { setImmediate as turnOfEventLoop } from 'node:timers/promises';
import {
  ObjectNotFound,
  RangeNotSatisfiable,
  UploadLost,
  VaultCorruption,
  VaultUnavailable,
} from '#lib/store/failures.ts';
import type { ObjectLock } from '#lib/store/object-lock.ts';
import type {
  ByteRange,
  ListedObject,
  MultipartUpload,
  ObjectFacts,
  ObjectStore,
  PutOptions,
  UploadedPart,
} from '#lib/store/object-store.ts';
import { MemoryObjects, type StoredObject } from './memory-objects.ts';
import { MemoryUploads } from './memory-uploads.ts';
import { Crashed, type StoreCall, type StoreFaults, type StoreOperation } from './store-faults.ts';

/** Turns of the event loop that a slow call waits on either side: enough for any other call to pass it. */
const SLOW_TURNS = 5;
/** S3's page, so that requests are counted as S3 bills them. */
const PAGE_KEYS = 1000;

export class MemoryBucket {
  readonly objects: MemoryObjects;
  readonly uploads = new MemoryUploads();
  /** Every request in the order of arrival, failed ones too; a listing counts once per page. */
  readonly requests: StoreCall[] = [];
  readonly now: () => Date;
  /** What each request waits for before it has its effect, so that others may come in between. */
  readonly turn: () => Promise<void> = turnOfEventLoop;

  /** Without a clock each write is a second after the one before. */
  constructor(settings: { now?: () => Date } = {}) {
    let seconds = 0;
    this.now = settings.now ?? (() => new Date(Date.UTC(2026, 0, 1) + 1000 * seconds++));
    this.objects = new MemoryObjects(this.now);
  }

  /** A new process's connection. */
  store(faults: StoreFaults = {}): ObjectStore {
    return new MemoryStore(this, faults);
  }

  /** How many requests there were, of one operation or all, on keys with a prefix or all. */
  count(which: { operation?: StoreOperation; prefix?: string } = {}): number {
    return this.requests.filter(
      ({ operation, key }) =>
        (which.operation === undefined || operation === which.operation) && key.startsWith(which.prefix ?? ''),
    ).length;
  }
}

/** A bucket with one connection, for tests that need no more. */
export function memoryStore(faults: StoreFaults = {}): { bucket: MemoryBucket; store: ObjectStore } {
  const bucket = new MemoryBucket();
  return { bucket, store: bucket.store(faults) };
}

class MemoryStore implements ObjectStore {
  readonly #bucket: MemoryBucket;
  readonly #faults: StoreFaults;
  #death: Crashed | undefined;

  constructor(bucket: MemoryBucket, faults: StoreFaults) {
    this.#bucket = bucket;
    this.#faults = faults;
  }

  put(key: string, body: Uint8Array, options: PutOptions = {}): Promise<void> {
    return this.#call({ operation: 'put', key }, options.signal, () => {
      this.#bucket.objects.write(key, Buffer.from(body), options);
    });
  }

  putIfAbsent(key: string, body: Uint8Array, options: PutOptions = {}): Promise<'created' | 'exists'> {
    return this.#call({ operation: 'putIfAbsent', key }, options.signal, () => {
      const current = this.#bucket.objects.current(key);
      if (current !== undefined) return current.body.equals(body) ? 'created' : 'exists';
      this.#bucket.objects.write(key, Buffer.from(body), options);
      return 'created';
    });
  }

  get(key: string, options: { range?: ByteRange; signal?: AbortSignal } = {}): Promise<Buffer> {
    return this.#call({ operation: 'get', key }, options.signal, () => {
      const object = this.#bucket.objects.current(key);
      if (object === undefined) throw new ObjectNotFound(`get of ${key}: there is no such object`);
      const { range } = options;
      if (range !== undefined) return rangeOf(key, object, range);
      if (!this.#bucket.objects.isIntact(object)) throw new VaultCorruption(`get of ${key}: the checksum is wrong`);
      return Buffer.from(object.body);
    });
  }

  head(key: string, options: { signal?: AbortSignal } = {}): Promise<ObjectFacts | undefined> {
    return this.#call({ operation: 'head', key }, options.signal, () => {
      const object = this.#bucket.objects.current(key);
      return object === undefined ? undefined : factsOf(object);
    });
  }

  async *list(prefix: string, options: { signal?: AbortSignal } = {}): AsyncGenerator<ListedObject> {
    let after: string | undefined;
    do {
      const page: ListedObject[] = await this.#call({ operation: 'list', key: prefix }, options.signal, () =>
        this.#bucket.objects.page(prefix, { after, limit: PAGE_KEYS }),
      );
      yield* page;
      after = page.length === PAGE_KEYS ? page.at(-1)?.key : undefined;
    } while (after !== undefined);
  }

  delete(key: string): Promise<void> {
    return this.#call({ operation: 'delete', key }, undefined, () => this.#bucket.objects.delete(key));
  }

  extendLock(key: string, lock: ObjectLock, options: { signal?: AbortSignal } = {}): Promise<void> {
    return this.#call({ operation: 'extendLock', key }, options.signal, () => {
      const object = this.#bucket.objects.current(key);
      if (object === undefined) throw new ObjectNotFound(`put-retention of ${key}: there is no such object`);
      this.#bucket.objects.extendLock(object, lock);
    });
  }

  createMultipartUpload(key: string, options: PutOptions = {}): Promise<MultipartUpload> {
    return this.#call({ operation: 'createMultipartUpload', key }, options.signal, () =>
      this.#bucket.uploads.begin(key, { options, initiated: this.#bucket.now() }),
    );
  }

  uploadPart(
    upload: MultipartUpload,
    part: { partNumber: number; body: Buffer; crc32: number },
    signal?: AbortSignal,
  ): Promise<UploadedPart> {
    // The caller owns the buffer only until the answer: a slow call has to have its own copy from the start.
    const sent = { ...part, body: Buffer.from(part.body) };
    return this.#call({ operation: 'uploadPart', key: upload.key }, signal, () =>
      this.#bucket.uploads.addPart(upload, sent),
    );
  }

  completeMultipartUpload(
    upload: MultipartUpload,
    whole: { parts: readonly UploadedPart[]; crc32: number },
    signal?: AbortSignal,
  ): Promise<void> {
    return this.#call({ operation: 'completeMultipartUpload', key: upload.key }, signal, () => {
      const stored = this.#bucket.objects.current(upload.key);
      const bytes = whole.parts.reduce((sum, part) => sum + part.bytes, 0);
      const { uploads } = this.#bucket;
      if (!uploads.has(upload) && stored?.crc32 === whole.crc32 && stored.body.length === bytes) return;
      const { body, options } = uploads.assemble(upload, whole);
      this.#bucket.objects.write(upload.key, body, { ...options, parts: whole.parts.length });
      uploads.drop(upload);
    });
  }

  abortMultipartUpload(upload: MultipartUpload): Promise<void> {
    return this.#call({ operation: 'abortMultipartUpload', key: upload.key }, undefined, () =>
      this.#bucket.uploads.drop(upload),
    );
  }

  async *listMultipartUploads(prefix: string): AsyncGenerator<MultipartUpload & { readonly initiated: Date }> {
    yield* await this.#call({ operation: 'listMultipartUploads', key: prefix }, undefined, () =>
      this.#bucket.uploads.under(prefix),
    );
  }

  /** One request: the effect happens in a single turn, the faults around it. */
  async #call<T>(call: StoreCall, signal: AbortSignal | undefined, effect: () => T): Promise<T> {
    if (this.#death !== undefined) throw this.#death;
    signal?.throwIfAborted();
    this.#bucket.requests.push(call);
    await this.#bucket.turn();
    const fault = this.#faults.choose?.(call);
    if (fault === 'slow') await this.#linger();
    await this.#hook(() => this.#faults.before?.(call));
    signal?.throwIfAborted();
    if (fault === 'unavailable') throw new VaultUnavailable(`${call.operation} of ${call.key}: SlowDown (fault)`);
    if (fault === 'conflict' || fault === 'torn-upload') this.#refuse(call, fault);
    const answer = effect();
    if (fault === 'slow') await this.#linger();
    await this.#hook(() => this.#faults.after?.(call));
    if (fault === 'lost-answer') throw new VaultUnavailable(`${call.operation} of ${call.key}: no answer (fault)`);
    return answer;
  }

  async #linger(): Promise<void> {
    for (let turns = 0; turns < SLOW_TURNS; turns++) await this.#bucket.turn();
  }

  /** A crash in one call is the end of all the others of this process. */
  async #hook(hook: () => void | Promise<void>): Promise<void> {
    if (this.#death !== undefined) throw this.#death;
    try {
      await hook();
    } catch (error) {
      if (error instanceof Crashed) this.#death = error;
      throw error;
    }
    if (this.#death !== undefined) throw this.#death;
  }

  #refuse(call: StoreCall, fault: 'conflict' | 'torn-upload'): void {
    const message = `${call.operation} of ${call.key}: ${fault} (fault)`;
    if (call.operation === 'completeMultipartUpload') {
      if (fault === 'torn-upload') this.#bucket.uploads.dropAll(call.key);
      throw new UploadLost(message);
    }
    if (fault === 'conflict' && call.operation === 'putIfAbsent') throw new VaultUnavailable(message);
  }
}

function rangeOf(key: string, object: StoredObject, { start, end }: ByteRange): Buffer {
  if (start >= end) throw new TypeError(`an empty range of ${key} was asked for`);
  if (end > object.body.length) {
    throw new RangeNotSatisfiable(`get of bytes ${start} to ${end} of ${key}: it has ${object.body.length}`);
  }
  return Buffer.from(object.body.subarray(start, end));
}

function factsOf(object: StoredObject): ObjectFacts {
  return {
    bytes: object.body.length,
    etag: object.etag,
    crc32: object.crc32,
    versionId: object.versionId,
    lastModified: object.lastModified,
    storageClass: object.storageClass,
    ...(object.lock && { lock: object.lock }),
  };
}
