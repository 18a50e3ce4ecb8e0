/** Who sent a request: AWS Signature Version 4, in the Authorization header or in a presigned URL. */

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { S3Error } from './s3-error.ts';
import { decodedUri } from './uri.ts';

const ALGORITHM = 'AWS4-HMAC-SHA256';
/** S3 refuses requests whose time differs by more than 15 minutes. */
const MAX_SKEW_MS = 15 * 60_000;
/** A presigned URL lives seven days at most. */
const MAX_EXPIRES_S = 7 * 86_400;

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** The parts of a request that are signed. */
export interface SignedRequest {
  readonly method: string;
  /** As it stands in the request line: path, and query without the question mark. */
  readonly rawPath: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
}

export interface Verifier {
  readonly credentials: Credentials;
  readonly region: string;
  readonly now: () => Date;
}

/** What a verified request leaves behind: enough to check the signatures of its chunks. */
export interface Signed {
  readonly payloadHash: string;
  readonly time: string;
  readonly scope: string;
  readonly signingKey: Buffer;
  readonly signature: string;
}

/** The claim a request makes about itself, before it is checked. */
interface Claim {
  readonly accessKeyId: string;
  /** date/region/service/aws4_request */
  readonly scope: readonly string[];
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  readonly time: string;
  readonly payloadHash: string;
  /** Query parameters that are part of what was signed. */
  readonly query: readonly (readonly [string, string])[];
  readonly expiresS: number | undefined;
}

/** Throws the error S3 answers with when the signature is missing, wrong, old, or for another region. */
export function verify(request: SignedRequest, verifier: Verifier): Signed {
  const claim = request.query.has('X-Amz-Signature') ? claimOfUrl(request) : claimOfHeader(request);
  const [date = '', region = '', service = ''] = claim.scope;
  if (claim.accessKeyId !== verifier.credentials.accessKeyId) throw new S3Error('InvalidAccessKeyId');
  if (region !== verifier.region) {
    const message = `The authorization header is malformed; the region '${region}' is wrong; expecting '${verifier.region}'`;
    throw new S3Error('AuthorizationHeaderMalformed', message, { Region: verifier.region });
  }
  checkTime(claim, verifier.now());
  const signingKey = deriveKey(verifier.credentials.secretAccessKey, [date, region, service]);
  const scope = claim.scope.join('/');
  const canonical = canonicalRequest(request, claim);
  const toSign = [ALGORITHM, claim.time, scope, sha256(canonical)].join('\n');
  const signature = createHmac('sha256', signingKey).update(toSign).digest('hex');
  if (!sameText(signature, claim.signature)) throw new S3Error('SignatureDoesNotMatch');
  return { payloadHash: claim.payloadHash, time: claim.time, scope, signingKey, signature };
}

/** Compares without telling by its duration how much was right. */
export function sameText(ours: string, theirs: string): boolean {
  const [left, right] = [Buffer.from(ours), Buffer.from(theirs)];
  return left.length === right.length && timingSafeEqual(left, right);
}

export function sha256(text: string | Buffer): string {
  return createHash('sha256').update(text).digest('hex');
}

function deriveKey(secret: string, scope: readonly string[]): Buffer {
  let key = Buffer.from(`AWS4${secret}`);
  for (const part of [...scope, 'aws4_request']) key = createHmac('sha256', key).update(part).digest();
  return key;
}

function claimOfHeader({ headers, query }: SignedRequest): Claim {
  const { authorization } = headers;
  if (authorization === undefined) throw new S3Error('AccessDenied', 'Anonymous requests are not answered here.');
  const fields =
    /^AWS4-HMAC-SHA256\s+Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})$/.exec(
      authorization,
    );
  if (fields === null) throw new S3Error('AuthorizationHeaderMalformed');
  const [, credential = '', signedHeaders = '', signature = ''] = fields;
  const [accessKeyId = '', ...scope] = credential.split('/');
  return {
    accessKeyId,
    scope,
    signedHeaders: signedHeaders.split(';'),
    signature,
    time: single(headers['x-amz-date']),
    payloadHash: single(headers['x-amz-content-sha256']),
    query: [...query],
    expiresS: undefined,
  };
}

function claimOfUrl({ query }: SignedRequest): Claim {
  const parameter = (name: string) => query.get(`X-Amz-${name}`) ?? '';
  const expiresS = Number(parameter('Expires'));
  if (parameter('Algorithm') !== ALGORITHM || !(expiresS > 0 && expiresS <= MAX_EXPIRES_S)) {
    throw new S3Error('AuthorizationQueryParametersError');
  }
  const [accessKeyId = '', ...scope] = parameter('Credential').split('/');
  return {
    accessKeyId,
    scope,
    signedHeaders: parameter('SignedHeaders').split(';'),
    signature: parameter('Signature'),
    time: parameter('Date'),
    payloadHash: query.get('X-Amz-Content-Sha256') ?? 'UNSIGNED-PAYLOAD',
    query: [...query].filter(([name]) => name !== 'X-Amz-Signature'),
    expiresS,
  };
}

function checkTime(claim: Claim, now: Date): void {
  const parsed = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(claim.time);
  if (parsed === null) throw new S3Error('AccessDenied', 'The request carries no valid x-amz-date.');
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parsed.slice(1).map(Number);
  const ageMs = now.getTime() - Date.UTC(year, month - 1, day, hour, minute, second);
  if (claim.expiresS === undefined ? Math.abs(ageMs) > MAX_SKEW_MS : ageMs < -MAX_SKEW_MS) {
    throw new S3Error('RequestTimeTooSkewed', undefined, { ServerTime: now.toISOString() });
  }
  if (claim.expiresS !== undefined && ageMs > claim.expiresS * 1000) {
    throw new S3Error('AccessDenied', 'Request has expired');
  }
}

function canonicalRequest(request: SignedRequest, claim: Claim): string {
  const headers = claim.signedHeaders.map((name) => `${name}:${headerValue(request.headers, name)}\n`);
  return [
    request.method,
    encoded(decodedUri(request.rawPath)).replaceAll('%2F', '/'),
    canonicalQuery(claim.query),
    headers.join(''),
    claim.signedHeaders.join(';'),
    claim.payloadHash,
  ].join('\n');
}

function canonicalQuery(query: readonly (readonly [string, string])[]): string {
  const pairs = query.map(([name, value]) => [encoded(name), encoded(value)] as const);
  const sorted = pairs.sort(([nameA, valueA], [nameB, valueB]) => byText(nameA, nameB) || byText(valueA, valueB));
  return sorted.map(([name, value]) => `${name}=${value}`).join('&');
}

function byText(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

function headerValue(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[name];
  const all = Array.isArray(value) ? value.join(',') : (value ?? '');
  return all.trim().replaceAll(/ +/g, ' ');
}

function single(value: string | string[] | undefined): string {
  return Array.isArray(value) ? (value[0] ?? '') : (value ?? '');
}

/** RFC 3986 without exceptions: encodeURIComponent leaves !'()* alone, AWS does not. */
export function encoded(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
