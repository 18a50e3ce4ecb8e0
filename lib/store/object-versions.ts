/**
 * Versions of objects, for the one who deletes for good. A bucket without versioning has one version of each object;
 * everybody else sees current objects only and needs none of this.
 */

import type { Bytes } from '#lib/units.ts';
import type { ObjectLock } from './object-lock.ts';

export interface ObjectVersion {
  readonly key: string;
  readonly versionId: string;
  readonly kind: 'object' | 'delete-marker';
  /** Whether this is what a reader of the key gets. */
  readonly current: boolean;
  /** 0 for a delete marker. */
  readonly bytes: Bytes;
  /** By the store's clock. */
  readonly lastModified: Date;
}

export interface ObjectVersions {
  /** Every version and delete marker under the prefix, in key order, newest first within a key. */
  list(prefix: string): AsyncIterable<ObjectVersion>;
  /** Removes one version for good; not an error when it is gone. Throws VaultAccessDenied while a lock holds it. */
  remove(version: { readonly key: string; readonly versionId: string }): Promise<void>;
  /** What keeps a version from being removed, and how long; undefined where no lock is, or the version is gone. */
  lockOf(version: { readonly key: string; readonly versionId: string }): Promise<ObjectLock | undefined>;
}

/** A part of a bucket as if it were all; `prefix` is empty or ends in a slash. */
export function versionsUnderPrefix(versions: ObjectVersions, prefix: string): ObjectVersions {
  return {
    async *list(from) {
      for await (const version of versions.list(prefix + from)) {
        yield { ...version, key: version.key.slice(prefix.length) };
      }
    },
    remove: ({ key, versionId }) => versions.remove({ key: prefix + key, versionId }),
    lockOf: ({ key, versionId }) => versions.lockOf({ key: prefix + key, versionId }),
  };
}
