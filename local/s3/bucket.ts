/** One bucket: its object versions, kept in memory and in files. */

import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DataFiles } from './data-files.ts';
import { RecordFiles } from './record-files.ts';
import {
  type BucketRecord,
  isBucket,
  isVersion,
  type MarkerRecord,
  type ObjectRecord,
  type Segment,
  type VersionRecord,
} from './records.ts';
import { S3Error } from './s3-error.ts';
import { Uploads } from './uploads.ts';

/** A version before it has its place in the order of writes. */
export type NewObject = Omit<ObjectRecord, 'kind' | 'versionId' | 'modifiedMs'>;

/** What happens in the turn in which a version appears. */
export interface Appearance {
  /** Sees the bucket as it is then; what it throws keeps the version from appearing. */
  readonly decide?: () => void;
  readonly apply?: () => void;
}

/** Sequence grows with every write of the bucket: it names the file, and the highest of a key is current. */
interface Placed {
  readonly sequence: number;
  readonly version: VersionRecord;
}

export interface BucketPlace {
  readonly folder: string;
  readonly data: DataFiles;
  readonly durable: boolean;
  readonly now: () => Date;
}

const BUCKET_RECORD = 'bucket';

export class Bucket {
  readonly uploads: Uploads;
  readonly data: DataFiles;
  readonly now: () => Date;
  readonly #folder: string;
  readonly #about: RecordFiles;
  readonly #records: RecordFiles;
  /** Newest first. */
  readonly #versions = new Map<string, readonly Placed[]>();
  /** Keys in the order of their UTF-8 bytes; undefined after a key came or went. */
  #sorted: readonly string[] | undefined;
  #sequence = 0;
  #record: BucketRecord;

  private constructor(record: BucketRecord, place: BucketPlace) {
    this.#record = record;
    this.#folder = place.folder;
    this.data = place.data;
    this.now = place.now;
    this.#about = new RecordFiles(place.folder, place);
    this.#records = new RecordFiles(join(place.folder, 'versions'), place);
    this.uploads = new Uploads(join(place.folder, 'uploads'), place);
  }

  static async create(record: BucketRecord, place: BucketPlace): Promise<Bucket> {
    const bucket = new Bucket(record, place);
    await bucket.change(record);
    return bucket;
  }

  /** Reads a bucket back; undefined when its creation was not finished. */
  static async load(place: BucketPlace): Promise<Bucket | undefined> {
    const about = await Array.fromAsync(new RecordFiles(place.folder, place).readAll());
    const record = about.map((file) => file.record).find(isBucket);
    if (record === undefined) return undefined;
    const bucket = new Bucket(record, place);
    const placed: Placed[] = [];
    for await (const { name, record: version } of bucket.#records.readAll()) {
      if (isVersion(version)) placed.push({ sequence: Number(name), version });
    }
    for (const next of placed.sort((a, b) => a.sequence - b.sequence)) {
      await bucket.#removeFiles(bucket.#remember(next));
    }
    const uploads = placed.map(({ version }) => (version.kind === 'object' ? version.uploadId : undefined));
    await bucket.uploads.load(new Set(uploads.filter((id) => id !== undefined)));
    return bucket;
  }

  get record(): BucketRecord {
    return this.#record;
  }

  async change(record: BucketRecord): Promise<void> {
    const apply = () => {
      this.#record = record;
    };
    await this.#about.write(record, { name: () => BUCKET_RECORD, apply });
  }

  get isEmpty(): boolean {
    return this.#versions.size === 0;
  }

  /** Removes the bucket's folder; the bucket has to be empty, and its unfinished uploads go with it. */
  destroy(): void {
    this.data.remove([...this.uploads.segments()]);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Files that versions and parts refer to. */
  *segments(): Generator<Segment> {
    for (const versions of this.#versions.values()) {
      for (const { version } of versions) if (version.kind === 'object') yield* version.segments;
    }
    yield* this.uploads.segments();
  }

  /** Newest first; empty for a key never written. */
  versions(key: string): readonly VersionRecord[] {
    return (this.#versions.get(key) ?? []).map(({ version }) => version);
  }

  current(key: string): ObjectRecord | undefined {
    const newest = this.#versions.get(key)?.[0]?.version;
    return newest?.kind === 'object' ? newest : undefined;
  }

  /** The version asked for, or the current one; throws what S3 answers when there is none. */
  find(key: string, versionId: string | undefined): ObjectRecord {
    if (versionId === undefined) {
      const current = this.current(key);
      if (current === undefined) throw new S3Error('NoSuchKey', undefined, { Key: key });
      return current;
    }
    const version = this.versions(key).find((candidate) => candidate.versionId === versionId);
    if (version === undefined) throw new S3Error('NoSuchVersion', undefined, { Key: key, VersionId: versionId });
    if (version.kind === 'delete-marker') throw new S3Error('MethodNotAllowed', 'The version is a delete marker.');
    return version;
  }

  /** All keys with any version, in the order of S3's listings. */
  keys(): readonly string[] {
    this.#sorted ??= [...this.#versions.keys()].sort(byUtf8);
    return this.#sorted;
  }

  /** Makes the object current. */
  async add(object: NewObject, appearance: Appearance = {}): Promise<ObjectRecord> {
    const version: ObjectRecord = { kind: 'object', ...this.#stamp(), ...object };
    await this.#write(version, appearance);
    return version;
  }

  async addMarker(key: string, appearance: Appearance = {}): Promise<MarkerRecord> {
    const version: MarkerRecord = { kind: 'delete-marker', key, ...this.#stamp() };
    await this.#write(version, appearance);
    return version;
  }

  /** Changes what is known about a version, not its bytes. */
  async update(version: ObjectRecord, changed: ObjectRecord): Promise<void> {
    await this.#records.write(changed, {
      name: () => nameOf(this.#placed(version).sequence),
      apply: () => {
        const all = this.#versions.get(version.key) ?? [];
        const replace = (other: Placed) => (other.version === version ? { ...other, version: changed } : other);
        this.#versions.set(version.key, all.map(replace));
      },
    });
  }

  /** Removes one version for good: gone from this turn on, its files afterwards. */
  async remove(version: VersionRecord): Promise<void> {
    const placed = this.#placed(version);
    const left = (this.#versions.get(version.key) ?? []).filter((other) => other !== placed);
    if (left.length > 0) this.#versions.set(version.key, left);
    else {
      this.#versions.delete(version.key);
      this.#sorted = undefined;
    }
    await this.#removeFiles([placed]);
  }

  #placed(version: VersionRecord): Placed {
    const placed = this.#versions.get(version.key)?.find((other) => other.version === version);
    if (placed === undefined) throw new S3Error('NoSuchVersion');
    return placed;
  }

  #stamp(): { versionId: string; modifiedMs: number } {
    const versionId = this.#record.versioning === 'Enabled' ? randomBytes(16).toString('hex') : 'null';
    // S3 keeps whole seconds.
    return { versionId, modifiedMs: Math.floor(this.now().getTime() / 1000) * 1000 };
  }

  async #write(version: VersionRecord, appearance: Appearance): Promise<void> {
    let replaced: readonly Placed[] = [];
    let sequence = 0;
    await this.#records.write(version, {
      name: () => {
        appearance.decide?.();
        // Drawn now, not when the bytes began to come: of two writers the one that ends last is current.
        sequence = this.#sequence + 1;
        return nameOf(sequence);
      },
      apply: () => {
        replaced = this.#remember({ sequence, version });
        appearance.apply?.();
      },
    });
    await this.#removeFiles(replaced);
  }

  /** Takes the version up; gives back what it replaces: there is at most one version called null. */
  #remember(placed: Placed): readonly Placed[] {
    const { key, versionId } = placed.version;
    const others = this.#versions.get(key) ?? [];
    if (others.length === 0) this.#sorted = undefined;
    const isReplaced = ({ version }: Placed) => versionId === 'null' && version.versionId === 'null';
    this.#versions.set(key, [placed, ...others.filter((other) => !isReplaced(other))]);
    this.#sequence = Math.max(this.#sequence, placed.sequence);
    return others.filter(isReplaced);
  }

  async #removeFiles(gone: readonly Placed[]): Promise<void> {
    for (const { sequence, version } of gone) {
      await this.#records.remove(nameOf(sequence));
      if (version.kind === 'object') this.data.remove(version.segments);
    }
  }
}

function nameOf(sequence: number): string {
  return String(sequence).padStart(16, '0');
}

/** S3 lists by the bytes of UTF-8, which is not the order of JavaScript's strings beyond U+FFFF. */
export function byUtf8(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}
