/** Runs the contract against a bucket of the user's: BLOCKFERRY_TEST_BUCKET, BLOCKFERRY_TEST_ENDPOINT, AWS_REGION. */

import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { s3Store } from '#lib/store/s3.ts';
import { objectStoreContract } from '../contract/object-store.ts';

const bucket = process.env['BLOCKFERRY_TEST_BUCKET'];
const endpoint = process.env['BLOCKFERRY_TEST_ENDPOINT'];
const region = process.env['AWS_REGION'];

if (bucket === undefined) {
  test('the contract against a bucket of your own', { skip: 'set BLOCKFERRY_TEST_BUCKET to run it' });
} else {
  objectStoreContract(`bucket ${bucket}`, async () => {
    const store = s3Store({ bucket, ...(endpoint && { endpoint }), ...(region && { region }) });
    const prefix = `blockferry-contract/${randomUUID()}/`;
    return {
      store,
      prefix,
      [Symbol.asyncDispose]: async () => {
        for await (const { key } of store.list(prefix)) await store.delete(key);
        for await (const upload of store.listMultipartUploads(prefix)) await store.abortMultipartUpload(upload);
        store[Symbol.dispose]();
      },
    };
  });
}
