/** What a function's environment names, as the clients that the use cases are given. */

import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '#lib/clock.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { underPrefix } from '#lib/store/prefixed-store.ts';
import { s3Store } from '#lib/store/s3.ts';

/** The part of a function's environment that says where the vault is. */
export interface VaultEnvironment {
  readonly VAULT_BUCKET: string;
  readonly VAULT_PREFIX: string;
  readonly VAULT_OWNER: string;
}

/** The vault of the environment, by keys that know nothing of its prefix. */
export function vaultStore(environment: VaultEnvironment): ObjectStore {
  return underPrefix(s3Store(bucketOf(environment)), environment.VAULT_PREFIX);
}

/** S3 refuses every request if another account than the vault's owns the bucket. */
export function bucketOf({ VAULT_BUCKET, VAULT_OWNER }: VaultEnvironment) {
  return { bucket: VAULT_BUCKET, ...(VAULT_OWNER === 'any' ? {} : { expectedBucketOwner: VAULT_OWNER }) };
}

export const systemClock: Clock = {
  now: () => new Date(),
  async sleep(durationMs, signal) {
    try {
      await delay(durationMs, undefined, { signal });
    } catch (cause) {
      // The timer rejects with an AbortError of its own; the clock promises the signal's reason.
      signal?.throwIfAborted();
      throw cause;
    }
  },
};

/** Unpredictable bytes: pack names must not collide, not even between attempts that do not know of each other. */
export const randomness = (bytes: number): Buffer => randomBytes(bytes);
