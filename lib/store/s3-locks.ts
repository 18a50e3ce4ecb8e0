/** Object Lock on S3: dates on what is written, and dates moved out afterwards. */

import { GetObjectRetentionCommand, PutObjectRetentionCommand } from '@aws-sdk/client-s3';
import { ObjectNotFound, VaultAccessDenied, VaultRequestRefused } from './failures.ts';
import { extendedLock, holdsAsWanted, type LockMode, type ObjectLock } from './object-lock.ts';
import { asking, type S3Connection } from './s3-client.ts';
import { type Asked, faultFacts } from './s3-failures.ts';

interface ObjectVersionName {
  readonly key: string;
  /** Left out: the current version. */
  readonly versionId?: string;
}

/** What S3 answers about a version without any lock, and about every version of a bucket without Object Lock. */
const NOT_LOCKED: ReadonlySet<string> = new Set([
  'NoSuchObjectLockConfiguration',
  'ObjectLockConfigurationNotFoundError',
]);

/** The fields of a request that writes an object. */
export function lockFields(lock: ObjectLock | undefined) {
  return lock === undefined ? {} : { ObjectLockMode: lock.mode, ObjectLockRetainUntilDate: lock.until };
}

/** The lock that a HEAD shows; S3 leaves it out for who may not ask for retentions. */
export function shownLock(mode: string | undefined, until: Date | undefined): ObjectLock | undefined {
  return until !== undefined && isLockMode(mode) ? { mode, until } : undefined;
}

function isLockMode(mode: string | undefined): mode is LockMode {
  return mode === 'GOVERNANCE' || mode === 'COMPLIANCE';
}

/**
 * S3 refuses a date before the one that holds, or a weaker mode, like a request without permission. What holds then
 * decides: whether it is enough, and if not, which lock has to be asked for so that nothing of it is shortened.
 */
export async function extendLock(s3: S3Connection, asked: Asked & { key: string }, wanted: ObjectLock): Promise<void> {
  try {
    await putRetention(s3, asked, wanted);
  } catch (refusal) {
    if (!(refusal instanceof VaultAccessDenied)) throw refusal;
    const held = await lockOf(s3, { key: asked.key });
    if (holdsAsWanted(held, wanted)) return;
    const extended = extendedLock(held, wanted);
    if (held === undefined || holdsAsWanted(wanted, extended)) throw refusal;
    await putRetention(s3, asked, extended);
  }
}

async function putRetention(s3: S3Connection, asked: Asked & { key: string }, lock: ObjectLock): Promise<void> {
  const { client, bucket } = s3;
  const Retention = { Mode: lock.mode, RetainUntilDate: lock.until };
  await asking(asked, () =>
    client.send(new PutObjectRetentionCommand({ Bucket: bucket, Key: asked.key, Retention }), {
      abortSignal: asked.signal,
    }),
  );
}

/** The lock on a version; undefined where none is. Throws ObjectNotFound. */
export async function lockOf(s3: S3Connection, version: ObjectVersionName): Promise<ObjectLock | undefined> {
  const { client, bucket, endpoint } = s3;
  try {
    const { Retention } = await asking({ operation: 'get-retention', bucket, endpoint, key: version.key }, () =>
      client.send(new GetObjectRetentionCommand({ Bucket: bucket, Key: version.key, VersionId: version.versionId })),
    );
    return shownLock(Retention?.Mode, Retention?.RetainUntilDate);
  } catch (failure) {
    if (isUnlocked(failure)) return undefined;
    throw failure;
  }
}

/** A bucket without Object Lock refuses the question itself, as a request that makes no sense there. */
function isUnlocked(failure: unknown): boolean {
  if (failure instanceof VaultRequestRefused) return true;
  return failure instanceof ObjectNotFound && NOT_LOCKED.has(faultFacts(failure.cause).code);
}
