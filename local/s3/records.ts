/** What the server remembers of a bucket, an object version, an upload and a part: one JSON file each. */

import type { Checksum, ChecksumAlgorithm, ChecksumType } from './checksums.ts';

/** A file under data/, or rather all of it. */
export interface Segment {
  readonly file: string;
  readonly bytes: number;
}

export type LockMode = 'GOVERNANCE' | 'COMPLIANCE';

export interface Retention {
  readonly mode: LockMode;
  readonly untilMs: number;
}

export interface BucketRecord {
  readonly name: string;
  readonly createdMs: number;
  readonly versioning: 'off' | 'Enabled' | 'Suspended';
  readonly objectLock: boolean;
  readonly defaultRetention?: { readonly mode: LockMode; readonly days: number } | undefined;
}

/** Headers given with an object and given back with it, by lower-case name: type, user metadata, encryption. */
export type EchoedHeaders = Readonly<Record<string, string>>;

export interface ObjectRecord {
  readonly kind: 'object';
  readonly key: string;
  /** `null`, in words, when written while versioning was not enabled. */
  readonly versionId: string;
  readonly modifiedMs: number;
  readonly bytes: number;
  readonly etag: string;
  readonly segments: readonly Segment[];
  /** For multipart objects: the parts in order, and the upload they came from. */
  readonly parts?: readonly PartFacts[] | undefined;
  readonly uploadId?: string | undefined;
  readonly checksum?: Checksum | undefined;
  readonly headers: EchoedHeaders;
  readonly storageClass: string;
  readonly retention?: Retention | undefined;
  readonly legalHold?: boolean | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

export interface PartFacts {
  readonly partNumber: number;
  readonly bytes: number;
  readonly checksum?: string | undefined;
}

export interface MarkerRecord {
  readonly kind: 'delete-marker';
  readonly key: string;
  readonly versionId: string;
  readonly modifiedMs: number;
}

export type VersionRecord = ObjectRecord | MarkerRecord;

export interface UploadRecord {
  readonly kind: 'upload';
  readonly key: string;
  readonly uploadId: string;
  readonly initiatedMs: number;
  readonly headers: EchoedHeaders;
  readonly storageClass: string;
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType } | undefined;
  readonly retention?: Retention | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

export interface PartRecord {
  readonly kind: 'part';
  readonly partNumber: number;
  readonly etag: string;
  readonly modifiedMs: number;
  readonly segment: Segment;
  /** Of the upload's algorithm. */
  readonly checksum?: string | undefined;
}

function hasKind(value: unknown): value is { kind: unknown } {
  return typeof value === 'object' && value !== null && 'kind' in value;
}

/** Our own files, written whole or not at all: the kind tells that it is the file it should be. */
export function isVersion(value: unknown): value is VersionRecord {
  return hasKind(value) && (value.kind === 'object' || value.kind === 'delete-marker');
}

export function isUpload(value: unknown): value is UploadRecord {
  return hasKind(value) && value.kind === 'upload';
}

export function isPart(value: unknown): value is PartRecord {
  return hasKind(value) && value.kind === 'part';
}

export function isBucket(value: unknown): value is BucketRecord {
  return typeof value === 'object' && value !== null && 'versioning' in value;
}
