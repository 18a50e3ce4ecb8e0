/** The positive list of what may ever be taken away, and from what age on. */

import { GRACE_MS, RUN_LIMIT_MS } from '#lib/vault/time-limits.ts';

const COLLECTIBLE =
  /^disks\/[0-9a-f-]{36}\/(?:packs\/[0-9a-f]{16}\/[0-9a-f]{32}\.zst|indexes\/[0-9a-f]{16}\/[0-9a-f]{32}\.bfi|manifests\/\d{10}-[0-9a-f]{16}\.bfm)$/;

/** Whether the key is that of a pack, a pack index or a manifest. */
export function isCollectible(key: string): boolean {
  return COLLECTIBLE.test(key);
}

/** Younger versions may belong to a run that has not ended, or to a point that was let go only now. */
export function isOldEnough({ lastModified }: { readonly lastModified: Date }, now: Date): boolean {
  return now.getTime() - lastModified.getTime() > RUN_LIMIT_MS + GRACE_MS;
}
