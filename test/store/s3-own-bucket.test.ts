/** Runs the contract against a bucket of the user's: BLOCKFERRY_TEST_BUCKET, BLOCKFERRY_TEST_ENDPOINT, AWS_REGION. */

import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { GetBucketVersioningCommand, GetObjectLockConfigurationCommand, S3Client } from '@aws-sdk/client-s3';
import { s3Store } from '#lib/store/s3.ts';
import { s3Versions } from '#lib/store/s3-versions.ts';
import { objectStoreContract } from '../contract/object-store.ts';

const bucket = process.env['BLOCKFERRY_TEST_BUCKET'];
const endpoint = process.env['BLOCKFERRY_TEST_ENDPOINT'];
const region = process.env['AWS_REGION'];
/** The suite locks for at most four seconds. */
const LONGEST_LOCK_MS = 5_000;

if (bucket === undefined) {
  test('the contract against a bucket of your own', { skip: 'set BLOCKFERRY_TEST_BUCKET to run it' });
} else {
  objectStoreContract(`bucket ${bucket}`, async () => {
    const settings = { bucket, ...(endpoint && { endpoint }), ...(region && { region }) };
    const store = s3Store(settings);
    const versions = s3Versions(settings);
    const prefix = `blockferry-contract/${randomUUID()}/`;
    const { versioned, locking } = await abilities(bucket);
    return {
      store,
      prefix,
      ...(versioned && { versioned: { store, versions, ...(locking && { lockMode: 'GOVERNANCE' }) } }),
      [Symbol.asyncDispose]: async () => {
        if (locking) await delay(LONGEST_LOCK_MS);
        for await (const upload of store.listMultipartUploads(prefix)) await store.abortMultipartUpload(upload);
        for await (const version of versions.list(prefix)) await versions.remove(version);
        for (const opened of [store, versions]) opened[Symbol.dispose]();
      },
    };
  });
}

/** What the suite may ask of the bucket. */
async function abilities(Bucket: string): Promise<{ versioned: boolean; locking: boolean }> {
  const client = new S3Client({ ...(endpoint && { endpoint, forcePathStyle: true }), ...(region && { region }) });
  try {
    const { Status } = await client.send(new GetBucketVersioningCommand({ Bucket }));
    const asked = client.send(new GetObjectLockConfigurationCommand({ Bucket }));
    const locking = await asked.then(
      ({ ObjectLockConfiguration }) => ObjectLockConfiguration?.ObjectLockEnabled === 'Enabled',
      () => false,
    );
    return { versioned: Status === 'Enabled', locking };
  } finally {
    client.destroy();
  }
}
