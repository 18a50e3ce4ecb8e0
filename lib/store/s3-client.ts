/** The connection to one bucket: the S3 client with every option we depend on, and requests that fail as our failures. */

import { S3Client } from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import * as z from 'zod/mini';
import type { Secret } from '#lib/secret.ts';
import { RequestTally } from './request-tally.ts';
import { type Asked, translated } from './s3-failures.ts';
import { SlicedBody } from './s3-sliced-body.ts';

/** Attempts of the SDK for one request; its pauses grow from 0.1 s (throttled: 0.5 s) by doubling, with jitter, to 20 s. */
const MAX_ATTEMPTS = 5;
/** More connections than the 16 readers of one process could use: parts in flight are bounded by the writers. */
const MAX_SOCKETS = 64;

export interface S3Timeouts {
  /** To a connection, TLS included. */
  readonly connectMs: number;
  /** Without a byte in either direction. The only thing that ends a response whose body stalls. */
  readonly idleMs: number;
  /** From the start of a request to the headers of its answer: a 16 MiB part at 1 Mbit/s takes 134 s. */
  readonly answerMs: number;
}

const TIMEOUTS: S3Timeouts = { connectMs: 10_000, idleMs: 60_000, answerMs: 300_000 };

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: Secret;
  readonly sessionToken?: Secret;
}

export interface S3Settings {
  readonly bucket: string;
  /** Left out: what the environment says; with an endpoint, us-east-1, which S3-compatible servers expect. */
  readonly region?: string;
  /** An S3-compatible server, or a private address of S3. It is spoken to in path style. */
  readonly endpoint?: string;
  /** Left out: the SDK's chain (role of the function, environment, profile). */
  readonly credentials?: S3Credentials;
  /** Account that must own the bucket; guards against a bucket of the same name in another account. */
  readonly expectedBucketOwner?: string;
  readonly timeouts?: Partial<S3Timeouts>;
  readonly maxAttempts?: number;
  /** Whether the server can be asked to encrypt with its own key. Left out: AWS is, and others are not, as many refuse. */
  readonly storeKey?: boolean;
}

/** One bucket and the client that reaches it. */
export interface S3Connection {
  readonly client: S3Client;
  readonly bucket: string;
  readonly endpoint: string | undefined;
  readonly tally: RequestTally;
}

export function connect(settings: S3Settings): S3Connection {
  const { bucket, endpoint, region, credentials } = settings;
  const timeouts = { ...TIMEOUTS, ...settings.timeouts };
  const client = new S3Client({
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    ...(region === undefined && endpoint === undefined ? {} : { region: region ?? 'us-east-1' }),
    ...(credentials === undefined ? {} : { credentials: revealed(credentials) }),
    maxAttempts: settings.maxAttempts ?? MAX_ATTEMPTS,
    retryMode: 'standard',
    // A bucket in another region is a mistake to correct, not to work around at the price of cross-region transfer.
    followRegionRedirects: false,
    // Checksums are ours, computed while the bytes were at hand; the SDK must not add trailers that compatibles refuse.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // Waiting for "100 Continue" costs each part a round trip.
    expectContinueHeader: false,
    requestHandler: new NodeHttpHandler({
      connectionTimeout: timeouts.connectMs,
      socketTimeout: timeouts.idleMs,
      requestTimeout: timeouts.answerMs,
      // Without this a late answer is only logged, and waited for without end.
      throwOnRequestTimeout: true,
      httpAgent: { keepAlive: true, maxSockets: MAX_SOCKETS },
      httpsAgent: { keepAlive: true, maxSockets: MAX_SOCKETS },
    }),
  });
  adjustRequests(client, settings);
  const tally = new RequestTally();
  countRequests(client, tally);
  return { client, bucket, endpoint, tally };
}

function revealed(credentials: S3Credentials) {
  return {
    accessKeyId: credentials.accessKeyId,
    secretAccessKey: credentials.secretAccessKey.reveal(),
    ...(credentials.sessionToken === undefined ? {} : { sessionToken: credentials.sessionToken.reveal() }),
  };
}

/** Runs one request; what fails, fails as one of failures.ts. */
export async function asking<T>(asked: Asked, request: () => Promise<T>): Promise<T> {
  asked.signal?.throwIfAborted();
  try {
    return await request();
  } catch (error) {
    throw translated(error, asked);
  }
}

interface MutableRequest {
  protocol: string;
  hostname: string;
  headers: Record<string, string>;
  body?: unknown;
}

function isRequest(value: unknown): value is MutableRequest {
  return typeof value === 'object' && value !== null && 'hostname' in value && 'headers' in value;
}

/** Whether to ask the server behind `hostname` for encryption with its own key. */
export function asksForStoreKey({ storeKey }: Pick<S3Settings, 'storeKey'>, hostname: string): boolean {
  return storeKey ?? /\.amazonaws\.com(\.cn)?$/.test(hostname);
}

function adjustRequests(client: S3Client, settings: S3Settings): void {
  const { expectedBucketOwner } = settings;
  client.middlewareStack.add(
    (next, context) => (args) => {
      const { request } = args;
      if (isRequest(request)) {
        // Where requests go is known only here: the environment may name another server than AWS.
        if (!asksForStoreKey(settings, request.hostname)) delete request.headers['x-amz-server-side-encryption'];
        if (expectedBucketOwner !== undefined) request.headers['x-amz-expected-bucket-owner'] = expectedBucketOwner;
        // TLS protects the bytes and the CRC32 header is checked; hashing them again for the signature would be more
        // than half of the CPU of an upload (1.62 against 0.91 s per GiB).
        if (context['commandName'] === 'UploadPartCommand' && request.protocol === 'https:') {
          request.headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD';
        }
      }
      return next(args);
    },
    { step: 'build', name: 'blockferryHeaders' },
  );
  client.middlewareStack.add(
    (next) => (args) => {
      const { request } = args;
      if (isRequest(request) && request.protocol === 'https:' && Buffer.isBuffer(request.body)) {
        request.body = new SlicedBody(request.body);
      }
      return next(args);
    },
    // After retry and signing: each attempt comes through here with a request of its own.
    { step: 'deserialize', name: 'blockferrySlices' },
  );
}

function countRequests(client: S3Client, tally: RequestTally): void {
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const operation = String(context['commandName']).replace(/Command$/, '');
      tally.sent(operation, bodyBytes(args.request));
      // The length of a HEAD's answer is that of the body it does not have.
      const received = (response: unknown) => {
        if (!operation.startsWith('Head')) tally.received(answerBytes(response));
      };
      try {
        const result = await next(args);
        received(result.response);
        return result;
      } catch (failure) {
        // A refusal has a body as well, and "not there" and "there already" are answers that every run gets.
        received(answerOf(failure));
        throw failure;
      }
    },
    // Each attempt comes through here, before its body is wrapped for sending.
    { step: 'finalizeRequest', priority: 'low', name: 'blockferryTally' },
  );
}

function bodyBytes(request: unknown): number {
  if (!isRequest(request)) return 0;
  const { body } = request;
  if (typeof body === 'string') return Buffer.byteLength(body);
  return body instanceof Uint8Array ? body.length : 0;
}

/** The SDK leaves the answer that it made a failure of at the failure. */
function answerOf(failure: unknown): unknown {
  return typeof failure === 'object' && failure !== null && '$response' in failure ? failure.$response : undefined;
}

const answerHeaders = z.object({ headers: z.object({ 'content-length': z.string() }) });

function answerBytes(response: unknown): number {
  const parsed = answerHeaders.safeParse(response);
  return parsed.success ? Number(parsed.data.headers['content-length']) : 0;
}
