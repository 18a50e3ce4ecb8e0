/** The doctor's look at the vault: an object is written, read back and removed, which needs bucket and key rights. */

import { Failure } from '#lib/failure.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { type Finding, failed, failedBy, ok } from './finding.ts';

const PROBE_BYTES = 32;
const RIGHTS =
  'Give the user s3:PutObject, s3:GetObject, s3:DeleteObject and s3:ListBucket, and the use of the KMS key.';

/** Ceph 16 is such a store: it honours the condition in buckets without versions and ignores it in those with. */
const NO_CONDITIONS =
  'The commit of a point is one write that must not replace another. Use a store that honours If-None-Match; ' +
  'Ceph 16 does so only in a bucket without versioning.';

/** Under the prefix that expires after a day, should the last step fail. */
export async function examineVault(vault: {
  readonly store: ObjectStore;
  readonly random: (bytes: number) => Buffer;
}): Promise<readonly Finding[]> {
  const body = vault.random(PROBE_BYTES);
  const key = `${vaultKeys.connections()}doctor-${vault.random(8).toString('hex')}`;
  let step = 'writing';
  try {
    await vault.store.put(key, body);
    step = 'reading';
    const stored = await vault.store.get(key);
    if (!stored.equals(body))
      return [failed('vault', 'another object came back than was written', 'Check the endpoint.')];
    if ((await vault.store.putIfAbsent(key, vault.random(PROBE_BYTES))) === 'created') {
      return [failed('vault', 'the store wrote over an object that it was told not to replace', NO_CONDITIONS)];
    }
    step = 'listing';
    for await (const _ of vault.store.list(key)) break;
    step = 'removing';
    await vault.store.delete(key);
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    const finding = failedBy('vault', failure);
    const cure = failure.details['code'] === 'AccessDenied' ? RIGHTS : 'cure' in finding ? finding.cure : '';
    return [failed('vault', `${step} an object: ${finding.what}`, cure)];
  }
  return [ok('vault', 'an object was written, read, listed and removed')];
}
