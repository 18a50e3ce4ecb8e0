/** Buckets on a server of S3's protocol, and a proxy before it that can fail. */

import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { Secret } from '#lib/secret.ts';
import { s3Store } from '#lib/store/s3.ts';
import { s3Versions } from '#lib/store/s3-versions.ts';
import { startS3FaultProxy } from '../servers/s3-fault-proxy.ts';
import type { OpenTarget } from './store-target.ts';

/** With versions and Object Lock, and without either. */
const LOCKING = 'locking';
const PLAIN = 'plain';

interface S3Endpoint {
  readonly endpoint: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/**
 * Opens the target with every sentence on the bucket with versions, or the plain ones on another without. The server
 * itself is the caller's to stop, by `stop`.
 */
export async function openS3Target(
  { endpoint, credentials }: S3Endpoint,
  { plainOn, stop }: { readonly plainOn: 'locking' | 'plain'; readonly stop: () => PromiseLike<unknown> },
): Promise<OpenTarget> {
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials: { ...credentials } });
  await client.send(new CreateBucketCommand({ Bucket: LOCKING, ObjectLockEnabledForBucket: true }));
  await client.send(new CreateBucketCommand({ Bucket: PLAIN }));
  client.destroy();
  const connection = {
    endpoint,
    credentials: { ...credentials, secretAccessKey: new Secret(credentials.secretAccessKey) },
  };
  const locking = s3Store({ ...connection, bucket: LOCKING });
  const versions = s3Versions({ ...connection, bucket: LOCKING });
  const plain = s3Store({ ...connection, bucket: PLAIN });
  const proxy = await startS3FaultProxy({ port: Number(new URL(endpoint).port) });
  const failing = s3Store({ ...connection, bucket: plainOn, endpoint: proxy.endpoint });
  const store = plainOn === LOCKING ? locking : plain;
  return {
    store,
    versioned: { store: locking, versions, lockMode: 'GOVERNANCE' },
    prefix: 'contract/',
    failing(fault, operation) {
      proxy.strikeOnce(fault, { operation, tear: (upload) => store.abortMultipartUpload(upload) });
      return failing;
    },
    struck: () => proxy.struck,
    [Symbol.asyncDispose]: async () => {
      for (const opened of [locking, versions, plain, failing]) opened[Symbol.dispose]();
      await proxy[Symbol.asyncDispose]();
      await stop();
    },
  };
}
