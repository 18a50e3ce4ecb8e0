/**
 * Everything the server keeps, below one folder.
 *
 * ```
 * <folder>/data/<random>                                 bytes of objects and parts
 * <folder>/buckets/<name>/bucket.json                    the bucket
 * <folder>/buckets/<name>/versions/<sequence>.json       one version of an object: key, facts, its files under data/
 * <folder>/buckets/<name>/uploads/<id>/upload.json       one unfinished upload
 * <folder>/buckets/<name>/uploads/<id>/part-<n>.json     one part of it, its file under data/
 * ```
 *
 * Bytes come first, the record that refers to them second, by renaming; what replaces is there before what is replaced
 * goes. A crash at any point leaves at most files that no record refers to, which the next start removes.
 */

import { mkdirSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Bucket, type BucketPlace } from './bucket.ts';
import { DataFiles } from './data-files.ts';
import type { BucketRecord } from './records.ts';
import { S3Error } from './s3-error.ts';

/** S3's rules but for the lesser ones: it also keeps the name from leaving its folder. */
const BUCKET_NAME = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

export interface StorageSettings {
  readonly folder: string;
  /** Whether what was answered for survives a power cut; it costs several waits for the disk per request. */
  readonly durable: boolean;
  readonly now: () => Date;
}

export class Storage {
  readonly data: DataFiles;
  readonly #settings: StorageSettings;
  readonly #folder: string;
  readonly #buckets = new Map<string, Bucket>();

  private constructor(settings: StorageSettings) {
    this.#settings = settings;
    this.#folder = join(settings.folder, 'buckets');
    this.data = new DataFiles(join(settings.folder, 'data'), settings);
    mkdirSync(this.#folder, { recursive: true });
  }

  /** Reads back what is there, if anything. */
  static async open(settings: StorageSettings): Promise<Storage> {
    const storage = new Storage(settings);
    for (const name of await readdir(storage.#folder)) {
      const bucket = await Bucket.load(storage.#place(name));
      if (bucket !== undefined) storage.#buckets.set(name, bucket);
      else await rm(join(storage.#folder, name), { recursive: true, force: true });
    }
    const files = new Set<string>();
    for (const bucket of storage.buckets()) for (const { file } of bucket.segments()) files.add(file);
    await storage.data.keepOnly(files);
    return storage;
  }

  buckets(): readonly Bucket[] {
    return [...this.#buckets.values()].sort((a, b) => (a.record.name < b.record.name ? -1 : 1));
  }

  bucket(name: string): Bucket {
    const bucket = this.#buckets.get(name);
    if (bucket === undefined) throw new S3Error('NoSuchBucket', undefined, { BucketName: name });
    return bucket;
  }

  has(name: string): boolean {
    return this.#buckets.has(name);
  }

  async create(name: string, options: Pick<BucketRecord, 'versioning' | 'objectLock'>): Promise<void> {
    if (!BUCKET_NAME.test(name) || name.includes('..')) throw new S3Error('InvalidBucketName');
    if (this.#buckets.has(name)) throw new S3Error('BucketAlreadyOwnedByYou');
    const record = { name, createdMs: this.#settings.now().getTime(), ...options };
    this.#buckets.set(name, await Bucket.create(record, this.#place(name)));
  }

  remove(name: string): void {
    const bucket = this.bucket(name);
    if (!bucket.isEmpty) throw new S3Error('BucketNotEmpty');
    this.#buckets.delete(name);
    bucket.destroy();
  }

  #place(name: string): BucketPlace {
    const { durable, now } = this.#settings;
    return { folder: join(this.#folder, name), data: this.data, durable, now };
  }
}
