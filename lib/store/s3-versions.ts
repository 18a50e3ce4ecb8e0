/** Object versions of an S3 bucket. */

import { DeleteObjectCommand, ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import { ObjectNotFound, VaultUnavailable } from './failures.ts';
import type { ObjectLock } from './object-lock.ts';
import type { ObjectVersion, ObjectVersions } from './object-versions.ts';
import { asking, connect, type S3Connection, type S3Settings } from './s3-client.ts';
import { goesOn } from './s3-failures.ts';
import { lockOf } from './s3-locks.ts';

/** As for listings of objects: a server that repeats pages for ever ends here. */
const MAX_LIST_PAGES = 100_000;

/** Disposing it closes its connections. */
export function s3Versions(settings: S3Settings): ObjectVersions & Disposable {
  return new S3Versions(connect(settings));
}

class S3Versions implements ObjectVersions, Disposable {
  readonly #s3: S3Connection;

  constructor(connection: S3Connection) {
    this.#s3 = connection;
  }

  [Symbol.dispose](): void {
    this.#s3.client.destroy();
  }

  async *list(prefix: string): AsyncGenerator<ObjectVersion> {
    const { client, bucket, endpoint } = this.#s3;
    let after: { KeyMarker: string; VersionIdMarker: string | undefined } | undefined;
    for (let page = 0; page < MAX_LIST_PAGES; page++) {
      const asked = { operation: 'list-versions', bucket, endpoint, key: `${prefix}*` };
      const answer = await asking(asked, () =>
        client.send(new ListObjectVersionsCommand({ Bucket: bucket, Prefix: prefix, ...after })),
      );
      const isMore = goesOn(answer, asked);
      const objects = (answer.Versions ?? []).map((version) => describe(version, 'object'));
      const markers = (answer.DeleteMarkers ?? []).map((marker) => describe(marker, 'delete-marker'));
      yield* inOrder([...objects, ...markers]);
      if (!isMore || answer.NextKeyMarker === undefined) return;
      after = { KeyMarker: answer.NextKeyMarker, VersionIdMarker: answer.NextVersionIdMarker };
    }
    throw new VaultUnavailable(`listing versions of ${prefix}* in ${bucket} did not end after ${MAX_LIST_PAGES} pages`);
  }

  async remove({ key, versionId }: { readonly key: string; readonly versionId: string }): Promise<void> {
    const { client, bucket, endpoint } = this.#s3;
    await asking({ operation: 'delete-version', bucket, endpoint, key }, () =>
      client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key, VersionId: versionId })),
    );
  }

  async lockOf(version: { readonly key: string; readonly versionId: string }): Promise<ObjectLock | undefined> {
    try {
      return await lockOf(this.#s3, version);
    } catch (failure) {
      if (failure instanceof ObjectNotFound) return undefined;
      throw failure;
    }
  }
}

interface Answered {
  readonly Key?: string | undefined;
  readonly VersionId?: string | undefined;
  readonly IsLatest?: boolean | undefined;
  readonly Size?: number | undefined;
  readonly LastModified?: Date | undefined;
}

function describe(answered: Answered, kind: ObjectVersion['kind']): ObjectVersion {
  return {
    key: answered.Key ?? '',
    // S3 calls the version of an object that was written without versioning "null".
    versionId: answered.VersionId ?? 'null',
    kind,
    current: answered.IsLatest ?? false,
    bytes: answered.Size ?? 0,
    // Without a time nothing says that it is old enough to go.
    lastModified: answered.LastModified ?? new Date(8.64e15),
  };
}

/** S3 answers objects and markers apart; together they are in the order of the port. */
function inOrder(versions: readonly ObjectVersion[]): ObjectVersion[] {
  return versions.toSorted(
    (a, b) =>
      Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)) ||
      Number(b.current) - Number(a.current) ||
      b.lastModified.getTime() - a.lastModified.getTime(),
  );
}
