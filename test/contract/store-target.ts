/** A store under test, and where it falls short of S3. */

import type { ObjectStore } from '#lib/store/object-store.ts';

export interface OpenTarget extends AsyncDisposable {
  readonly store: ObjectStore;
  /** Everything the suite writes lies below, so that a bucket in use can be a target. */
  readonly prefix: string;
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
}
