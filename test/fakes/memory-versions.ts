/** The versions of a bucket in memory, for what deletes for good. */

import { VaultAccessDenied } from '#lib/store/failures.ts';
import type { ObjectVersion, ObjectVersions } from '#lib/store/object-versions.ts';
import type { MemoryBucket } from './memory-store.ts';

export interface VersionHooks {
  /** Called before a version goes; may throw, as a process that dies does. */
  readonly beforeRemove?: (version: { key: string; versionId: string }) => void;
}

export function memoryVersions(bucket: MemoryBucket, hooks: VersionHooks = {}): ObjectVersions {
  return {
    async *list(prefix) {
      await bucket.turn();
      yield* bucket.objects.allVersions(prefix).map(({ key, version, current }): ObjectVersion => {
        const { versionId, kind, lastModified } = version;
        return { key, versionId, kind, current, bytes: kind === 'object' ? version.body.length : 0, lastModified };
      });
    },
    async remove(version) {
      await bucket.turn();
      hooks.beforeRemove?.(version);
      if (bucket.objects.isLocked(version)) throw new VaultAccessDenied(`${version.key} is locked`);
      bucket.objects.removeVersion(version);
    },
    async lockOf(version) {
      await bucket.turn();
      return bucket.objects.lockOf(version);
    },
  };
}
