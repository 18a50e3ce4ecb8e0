/** A store under test, and where it falls short of S3. */

import type { LockMode } from '#lib/store/object-lock.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { ObjectVersions } from '#lib/store/object-versions.ts';
import type { StoreFault, StoreOperation } from '../fakes/store-faults.ts';

export interface OpenTarget extends AsyncDisposable {
  readonly store: ObjectStore;
  /** Everything the suite writes lies below, so that a bucket in use can be a target. */
  readonly prefix: string;
  /** A bucket that keeps versions, be it the same or another one; absent where there is none. */
  readonly versioned?: VersionedTarget;
  /** The next request of the operation through the store that comes back goes wrong; absent for a bucket in use. */
  readonly failing?: (fault: StoreFault, operation: StoreOperation) => ObjectStore;
  /** How often faults struck. */
  readonly struck?: () => number;
}

interface VersionedTarget {
  readonly store: ObjectStore;
  readonly versions: ObjectVersions;
  /** Absent for a bucket without Object Lock. */
  readonly lockMode?: LockMode;
}

/** Where a store is less than S3. The suite states what it does instead, so that a change is noticed. */
export interface Shortcomings {
  /** Checksum headers are ignored: wrong ones are accepted and none are kept. */
  readonly ignoresChecksums?: true;
  /** The list of Complete has to name every part that was sent. */
  readonly wantsEveryPart?: true;
  /** A list of Complete out of order is sorted instead of refused. */
  readonly sortsParts?: true;
  /** A Complete of an upload that is gone is told that another Complete is at work: 500, for ever. */
  readonly mistakesGoneForBusy?: true;
  /** In a bucket with versions `If-None-Match` is ignored: it cannot be a vault. */
  readonly overwritesVersions?: true;
  /** A lock named when a multipart upload begins is forgotten. */
  readonly forgetsLocksOfUploads?: true;
}
