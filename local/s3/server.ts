/**
 * An S3-compatible server on loopback, for the demo, for tests, and for a small site without AWS.
 *
 * It answers path-style requests as S3 does, signatures, checksums, conditions and versions included, and keeps objects
 * in files (storage.ts). It imports nothing of lib/: a codec shared with the client would hide the client's mistakes.
 */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { answering } from './answer.ts';
import { Counters, type RequestSeen } from './counters.ts';
import type { Credentials } from './signature.ts';
import { Storage } from './storage.ts';

/** Longer than the idle connections of any client, so that it is the client who closes: no request meets a closed door. */
const KEEP_ALIVE_MS = 120_000;

export interface S3ServerSettings {
  /** Where objects stay; what was answered for survives a power cut. Left out: a temporary folder, gone after `stop`. */
  readonly directory?: string;
  /** Left out: any free one. */
  readonly port?: number;
  /** Left out: random ones, found in the server. */
  readonly credentials?: Credentials;
  /** Made if they are not there yet. */
  readonly buckets?: readonly string[];
  readonly region?: string;
  /** Account that owns the buckets; others in x-amz-expected-bucket-owner are refused. */
  readonly owner?: string;
  readonly now?: () => Date;
  /** Told of each request when its answer was sent. */
  readonly onRequest?: (seen: RequestSeen) => void;
}

export interface S3Server extends AsyncDisposable {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: Credentials;
  readonly counters: Counters;
  /** Breaks connections off and ends; a temporary folder is removed. */
  stop(): Promise<void>;
}

export async function startS3Server(settings: S3ServerSettings = {}): Promise<S3Server> {
  const { directory, region = 'us-east-1', owner = '000000000000', now = () => new Date() } = settings;
  const folder = directory ?? (await mkdtemp(join(tmpdir(), 'blockferry-s3-')));
  const credentials = settings.credentials ?? {
    accessKeyId: `LOCAL${randomBytes(8).toString('hex').toUpperCase()}`,
    secretAccessKey: randomBytes(30).toString('base64url'),
  };
  const storage = await Storage.open({ folder, durable: directory !== undefined, now });
  for (const name of settings.buckets ?? []) {
    if (!storage.has(name)) await storage.create(name, { versioning: 'off', objectLock: false });
  }
  const counters = new Counters(settings.onRequest);
  const server = createServer(answering({ storage, region, owner, counters, verifier: { credentials, region, now } }));
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  // An upload of a part may take as long as it takes; idle ones are the client's to give up.
  server.requestTimeout = 0;
  server.listen(settings.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no TCP address');

  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
    if (directory === undefined) await rm(folder, { recursive: true, force: true });
  };
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    region,
    credentials,
    counters,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
