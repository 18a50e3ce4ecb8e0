/** The versioned objects of a bucket in memory. */

import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { extendedLock, type ObjectLock } from '#lib/store/object-lock.ts';
import type { ListedObject, PutOptions } from '#lib/store/object-store.ts';
import { OrderedKeys } from './ordered-keys.ts';

export interface StoredObject {
  readonly kind: 'object';
  readonly versionId: string;
  readonly body: Buffer;
  readonly etag: string;
  /** Of the bytes as they were written. */
  readonly crc32: number;
  readonly lastModified: Date;
  readonly storageClass: string;
  readonly contentType: string | undefined;
  readonly encryption: PutOptions['encryption'];
  lock: ObjectLock | undefined;
}

export interface DeleteMarker {
  readonly kind: 'delete-marker';
  readonly versionId: string;
  readonly lastModified: Date;
}

export class MemoryObjects {
  /** Newest version first. */
  readonly #versions = new Map<string, (StoredObject | DeleteMarker)[]>();
  readonly #now: () => Date;
  readonly #ordered = new OrderedKeys();
  #written = 0;

  constructor(now: () => Date) {
    this.#now = now;
  }

  current(key: string): StoredObject | undefined {
    const newest = this.#versions.get(key)?.[0];
    return newest?.kind === 'object' ? newest : undefined;
  }

  /** Everything ever written under the key, newest first. */
  versions(key: string): readonly (StoredObject | DeleteMarker)[] {
    return this.#versions.get(key) ?? [];
  }

  /** Keys with a current object, in the order S3 lists them. */
  keys(prefix = ''): string[] {
    return this.#ordered.under(prefix).filter((key) => this.current(key));
  }

  page(prefix: string, { after, limit }: { after: string | undefined; limit: number }): ListedObject[] {
    const keys = this.keys(prefix);
    const start = after === undefined ? 0 : keys.indexOf(after) + 1;
    return keys.slice(start, start + limit).map((key) => {
      const { body, lastModified, etag } = this.current(key)!;
      return { key, bytes: body.length, lastModified, etag };
    });
  }

  write(key: string, body: Buffer, options: PutOptions & { parts?: number } = {}): void {
    const md5 = createHash('md5').update(body).digest('hex');
    this.#add(key, {
      kind: 'object',
      versionId: this.#nextVersion(),
      body,
      etag: options.parts === undefined ? md5 : `${md5}-${options.parts}`,
      crc32: crc32(body),
      lastModified: this.#now(),
      storageClass: options.storageClass ?? 'STANDARD',
      contentType: options.contentType,
      encryption: options.encryption,
      lock: options.lock,
    });
  }

  /** Adds a delete marker, even where there was nothing. */
  delete(key: string): void {
    this.#add(key, { kind: 'delete-marker', versionId: this.#nextVersion(), lastModified: this.#now() });
  }

  /** Changes the stored bytes in place, behind the store's back: bit rot. HEAD goes on showing the size and checksum written. */
  tamper(key: string, change: (body: Buffer) => void): void {
    const object = this.current(key);
    if (object === undefined) throw new Error(`there is no ${key} to tamper with`);
    change(object.body);
  }

  /** Everything under the prefix, noncurrent versions and delete markers too, in the order of ListObjectVersions. */
  allVersions(prefix: string): { key: string; version: StoredObject | DeleteMarker; current: boolean }[] {
    const keys = this.#ordered.under(prefix);
    return keys.flatMap((key) => this.versions(key).map((version, place) => ({ key, version, current: place === 0 })));
  }

  /** As S3: a lock is moved out, never in; its mode gets stricter, never weaker. */
  extendLock(object: StoredObject, lock: ObjectLock): void {
    object.lock = extendedLock(object.lock, lock);
  }

  lockOf({ key, versionId }: { key: string; versionId: string }): ObjectLock | undefined {
    const found = this.versions(key).find((version) => version.versionId === versionId);
    return found?.kind === 'object' ? found.lock : undefined;
  }

  isLocked(version: { key: string; versionId: string }): boolean {
    const lock = this.lockOf(version);
    return lock !== undefined && lock.until > this.#now();
  }

  /** Removes one version for good; what was below it becomes current. */
  removeVersion({ key, versionId }: { key: string; versionId: string }): void {
    const left = this.versions(key).filter((version) => version.versionId !== versionId);
    if (left.length > 0) this.#versions.set(key, left);
    else this.#forget(key);
  }

  /** Removes every version, as if the key had never been: an object lost, or deleted by somebody with the right to. */
  vanish(key: string): void {
    this.#forget(key);
  }

  isIntact(object: StoredObject): boolean {
    return crc32(object.body) === object.crc32;
  }

  #nextVersion(): string {
    return `v${String(++this.#written).padStart(8, '0')}`;
  }

  #forget(key: string): void {
    if (this.#versions.delete(key)) this.#ordered.remove(key);
  }

  #add(key: string, version: StoredObject | DeleteMarker): void {
    if (!this.#versions.has(key)) this.#ordered.add(key);
    this.#versions.set(key, [version, ...this.versions(key)]);
  }
}
