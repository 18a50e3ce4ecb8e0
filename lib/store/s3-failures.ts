/** What S3 and the network say, translated into what somebody can do about it. */

import { AssertionError } from 'node:assert/strict';
import * as z from 'zod/mini';
import {
  ObjectArchived,
  ObjectNotFound,
  RangeNotSatisfiable,
  UploadLost,
  VaultAccessDenied,
  VaultCorruption,
  VaultRequestRefused,
  VaultUnavailable,
} from './failures.ts';

/** What was asked, for messages. Keys are not secret. */
export interface Asked {
  readonly operation: string;
  readonly bucket: string;
  readonly endpoint?: string | undefined;
  readonly key?: string;
  readonly signal?: AbortSignal | undefined;
}

/** The parts of an error of the SDK, of node:http or of node:net that decide anything. */
const Fault = z.object({
  name: z._default(z.string(), 'Error'),
  message: z._default(z.string(), ''),
  code: z.catch(z.optional(z.string()), undefined),
  Region: z.catch(z.optional(z.string()), undefined),
  $metadata: z.catch(z.optional(z.object({ httpStatusCode: z.optional(z.number()) })), undefined),
  $response: z.catch(z.optional(z.object({ headers: z.record(z.string(), z.string()) })), undefined),
});

/** What came back: S3's error code (or Node's), the HTTP status if there was an answer, and the words. */
export interface FaultFacts {
  readonly code: string;
  readonly status: number | undefined;
  readonly region: string | undefined;
  readonly words: string;
}

export function faultFacts(error: unknown): FaultFacts {
  const parsed = Fault.safeParse(
    error instanceof Error ? { ...error, name: error.name, message: error.message, ...responseOf(error) } : error,
  );
  if (!parsed.success) return { code: 'Unknown', status: undefined, region: undefined, words: String(error) };
  const { name, message, code, Region, $metadata, $response } = parsed.data;
  const status = $metadata?.httpStatusCode;
  return {
    // A socket's error has its meaning in `code` (ECONNREFUSED), an answer's in `name` (NoSuchKey).
    code: status === undefined ? (code ?? name) : name,
    status,
    region: Region ?? $response?.headers['x-amz-bucket-region'],
    words: message === 'UnknownError' ? '' : message,
  };
}

/** The SDK hides `$response` from enumeration. */
function responseOf(error: object): { $response?: unknown } {
  return '$response' in error ? { $response: error.$response } : {};
}

type Translation = (message: string, facts: FaultFacts, cause: unknown) => Error;

const denied =
  (cure: string): Translation =>
  (message, { code }, cause) =>
    new VaultAccessDenied(`${message}. ${cure}`, { cause, details: { code, cure } });
const lost: Translation = (message, _facts, cause) =>
  new UploadLost(`${message}. The object has to be written again`, { cause });
const corrupted: Translation = (message, _facts, cause) => new VaultCorruption(message, { cause });
const unavailable =
  (cure: string): Translation =>
  (message, { code }, cause) =>
    new VaultUnavailable(`${message}. ${cure}`, { cause, details: { code, cure } });

const elsewhere: Translation = (message, facts, cause) =>
  new VaultAccessDenied(
    facts.region === undefined
      ? `${message}. The bucket is in another region; set the region it was made in`
      : `${message}. The bucket is in region ${facts.region}; use that region`,
    { cause },
  );

const NO_BUCKET = denied('There is no bucket of this name; check the name, the endpoint and the account');
const UNKNOWN_AUTHORITY = denied(
  "The endpoint's certificate is not signed by a known authority; name a private one's certificate in NODE_EXTRA_CA_CERTS",
);
const CHECK_KEYS = denied('Check the access key and its secret, and that they belong to this endpoint');
const NO_CREDENTIALS = denied(
  'No AWS credentials were found; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role',
);
const EXPIRED = denied('The credentials have expired; get new ones');
const NOT_ALLOWED = denied(
  "Allow the operation in the role's policy, the bucket's policy and the KMS key's policy; without s3:ListBucket S3 answers like this for an object that does not exist",
);
const NETWORK = unavailable('The connection broke or the store did not answer in time');
const NO_ROUTE = unavailable('Check the endpoint, DNS, and that the network reaches S3 (gateway endpoint or NAT)');

/** By S3's error code, or Node's where there was no answer. */
const BY_CODE: ReadonlyMap<string, Translation> = new Map<string, Translation>([
  ['NoSuchKey', (message, _facts, cause) => new ObjectNotFound(message, { cause })],
  ['NoSuchVersion', (message, _facts, cause) => new ObjectNotFound(message, { cause })],
  ['InvalidRange', (message, _facts, cause) => new RangeNotSatisfiable(message, { cause })],
  [
    'InvalidObjectState',
    (message, _facts, cause) =>
      new ObjectArchived(`${message}. A lifecycle rule archived the object; restore it from the archive first`, {
        cause,
      }),
  ],

  ['NoSuchBucket', NO_BUCKET],
  ['PermanentRedirect', elsewhere],
  ['TemporaryRedirect', elsewhere],
  ['AuthorizationHeaderMalformed', elsewhere],
  ['IllegalLocationConstraintException', elsewhere],
  ['AccessDenied', NOT_ALLOWED],
  ['InvalidAccessKeyId', CHECK_KEYS],
  ['SignatureDoesNotMatch', CHECK_KEYS],
  ['InvalidToken', CHECK_KEYS],
  ['CredentialsProviderError', NO_CREDENTIALS],
  ['ExpiredToken', EXPIRED],
  ['TokenRefreshRequired', EXPIRED],
  [
    'RequestTimeTooSkewed',
    denied("This machine's clock and the store's differ by more than 15 minutes; set the clock"),
  ],

  ['NoSuchUpload', lost],
  ['InvalidPart', lost],
  ['InvalidPartOrder', lost],
  ['EntityTooSmall', lost],

  ['BadDigest', corrupted],
  ['InvalidDigest', corrupted],
  ['XAmzContentSHA256Mismatch', corrupted],
  ['XAmzContentChecksumMismatch', corrupted],
  ['IncompleteBody', corrupted],

  ['SlowDown', unavailable('The store asks to slow down')],
  ['RequestTimeout', NETWORK],
  ['PreconditionFailed', unavailable('Other writers change the same object')],
  ['OperationAborted', unavailable('Another operation on the same object is under way')],
  ['ConditionalRequestConflict', unavailable('Another conditional write of the same object is under way')],
  ['ECONNREFUSED', unavailable('Nothing listens at the endpoint; check that the store runs and the port is right')],
  ['ENOTFOUND', NO_ROUTE],
  ['EAI_AGAIN', NO_ROUTE],
  ['EHOSTUNREACH', NO_ROUTE],
  ['ENETUNREACH', NO_ROUTE],
  ['CERT_HAS_EXPIRED', denied("The endpoint's certificate has expired")],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', UNKNOWN_AUTHORITY],
  ['SELF_SIGNED_CERT_IN_CHAIN', UNKNOWN_AUTHORITY],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', UNKNOWN_AUTHORITY],
  ['ERR_TLS_CERT_ALTNAME_INVALID', denied("The endpoint's certificate is for another name")],
]);

function byStatus(facts: FaultFacts, asked: Asked): Translation {
  if (facts.code.startsWith('KMS.'))
    return denied("The bucket's KMS key is disabled, gone, or not granted to this role");
  switch (facts.status) {
    case undefined:
      return NETWORK;
    case 301:
    case 307:
      return elsewhere;
    case 401:
    case 403:
      return NOT_ALLOWED;
    case 404:
      // HEAD has no body to name its reason; asked about the bucket itself, the bucket is what is missing.
      return asked.key === undefined ? NO_BUCKET : (message, _facts, cause) => new ObjectNotFound(message, { cause });
    case 409:
    case 429:
      return unavailable('The store asks to try again');
    case 416:
      return (message, _facts, cause) => new RangeNotSatisfiable(message, { cause });
    default:
      return facts.status >= 500
        ? unavailable('The store is in trouble')
        : (message, _facts, cause) => new VaultRequestRefused(message, { cause });
  }
}

/**
 * A mistake of ours must not look like one of the store, least of all like one that is worth a retry. The SDK hangs the
 * answer on what failed while it was read: the parser of XML runs out of stack for one that nests deep enough.
 */
function isOurs(error: unknown): boolean {
  const isMistake = error instanceof RangeError || error instanceof TypeError || error instanceof AssertionError;
  return isMistake && !('$response' in error);
}

/** Whether a listing goes on. S3 says so in every one: what does not is the answer of something else than a store. */
export function goesOn({ IsTruncated }: { readonly IsTruncated?: boolean | undefined }, asked: Asked): boolean {
  if (IsTruncated !== undefined) return IsTruncated;
  throw new VaultUnavailable(
    `${asked.operation} of bucket ${asked.bucket} was answered with something that is no listing; check the endpoint, and proxies on the way to it`,
  );
}

/** The failure for `error`, which answered `asked`; the caller's own abort comes through as its reason. */
export function translated(error: unknown, asked: Asked): unknown {
  if (asked.signal?.aborted) return asked.signal.reason;
  if (isOurs(error)) return error;
  const facts = faultFacts(error);
  const object = asked.key === undefined ? `bucket ${asked.bucket}` : `${asked.key} in bucket ${asked.bucket}`;
  const place = asked.endpoint === undefined ? '' : ` at ${asked.endpoint}`;
  const status = facts.status === undefined ? '' : ` (HTTP ${facts.status})`;
  const words = facts.words === '' || facts.words === facts.code ? '' : `: ${facts.words.replace(/\.$/, '')}`;
  const message = `${asked.operation} of ${object}${place} was answered with ${facts.code}${status}${words}`;
  const translate = BY_CODE.get(facts.code) ?? byStatus(facts, asked);
  return translate(message, facts, error);
}
