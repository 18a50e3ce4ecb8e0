/** The embedded server and the SDK as it comes, without anything of ours between them. */

import assert from 'node:assert/strict';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { type S3Server, type S3ServerSettings, startS3Server } from '#local/s3/server.ts';

export const BUCKET = 'plain-bucket';

export interface Plain extends AsyncDisposable {
  readonly server: S3Server;
  readonly s3: S3Client;
  client(settings?: S3ClientConfig): S3Client;
}

export async function startPlain(settings: S3ServerSettings = {}): Promise<Plain> {
  const server = await startS3Server({ buckets: [BUCKET], ...settings });
  const clients: S3Client[] = [];
  const client = (changed: S3ClientConfig = {}) => {
    const made = new S3Client({
      endpoint: server.endpoint,
      region: server.region,
      forcePathStyle: true,
      credentials: server.credentials,
      maxAttempts: 1,
      ...changed,
    });
    clients.push(made);
    return made;
  };
  return {
    server,
    s3: client(),
    client,
    [Symbol.asyncDispose]: async () => {
      for (const made of clients) made.destroy();
      await server.stop();
    },
  };
}

/** The server has to refuse with this code, and status. */
export async function refused(work: Promise<unknown>, code: string, status?: number): Promise<void> {
  await assert.rejects(work, (error: { name: string; message: string; $metadata?: { httpStatusCode?: number } }) => {
    assert.equal(error.name, code, error.message);
    if (status !== undefined) assert.equal(error.$metadata?.httpStatusCode, status);
    return true;
  });
}
