/** One request as its operation sees it, and the answer the operation gives. */

import type { IncomingHttpHeaders } from 'node:http';
import type { Bucket } from './bucket.ts';
import { checksumHeader } from './checksums.ts';
import type { Payload, PayloadNeeds } from './payload.ts';
import type { EchoedHeaders, ObjectRecord } from './records.ts';
import { S3Error } from './s3-error.ts';
import type { Storage } from './storage.ts';
import type { XmlElement } from './xml.ts';

export interface Exchange {
  readonly storage: Storage;
  readonly region: string;
  /** Account that owns every bucket here. */
  readonly owner: string;
  readonly bucketName: string;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  now(): Date;
  payload(needs: PayloadNeeds): Payload;
  /** The body read as XML. */
  xml(needs?: Pick<PayloadNeeds, 'checksumOf'>): Promise<XmlElement>;
}

export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | ByteBody;
}

/** Bytes from files; disposed when they were sent or the client is gone. */
export interface ByteBody extends Disposable {
  readonly bytes: number;
  chunks(): AsyncIterable<Buffer>;
}

export type Operation = (exchange: Exchange) => Promise<Reply> | Reply;

export function bucketOf(exchange: Exchange): Bucket {
  return exchange.storage.bucket(exchange.bucketName);
}

/** A header's value; repeated ones are joined as Node joins them. */
export function header(exchange: Pick<Exchange, 'headers'>, name: string): string | undefined {
  const value = exchange.headers[name];
  return Array.isArray(value) ? value.join(',') : value;
}

/** What comes back with an object as it was given. */
const ECHOED = new Set([
  'content-type',
  'content-language',
  'content-disposition',
  'content-encoding',
  'cache-control',
  'expires',
  'x-amz-server-side-encryption',
  'x-amz-server-side-encryption-aws-kms-key-id',
  'x-amz-server-side-encryption-bucket-key-enabled',
]);

export function echoedHeaders(exchange: Exchange): EchoedHeaders {
  const kept: Record<string, string> = {};
  for (const name of Object.keys(exchange.headers)) {
    const value = header(exchange, name);
    if (value === undefined || !(ECHOED.has(name) || name.startsWith('x-amz-meta-'))) continue;
    // aws-chunked is the coding of the request, not of the object.
    const codings =
      name === 'content-encoding' ? value.split(',').filter((coding) => coding.trim() !== 'aws-chunked') : [value];
    if (codings.length > 0) kept[name] = codings.join(',');
  }
  return kept;
}

/** Only the encryption among them: it is shown in the answer to the write too. */
export function encryptionHeaders(headers: EchoedHeaders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => name.startsWith('x-amz-server-side-encryption')),
  );
}

const STORAGE_CLASSES = [
  'STANDARD',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER_IR',
  'GLACIER',
  'DEEP_ARCHIVE',
  'REDUCED_REDUNDANCY',
];

export function storageClassOf(exchange: Exchange): string {
  const asked = header(exchange, 'x-amz-storage-class') ?? 'STANDARD';
  if (!STORAGE_CLASSES.includes(asked)) throw new S3Error('InvalidArgument', `There is no storage class ${asked}.`);
  return asked;
}

/** The version's id, where the bucket has versions. */
export function versionHeaders(bucket: Bucket, version: { versionId: string }): Record<string, string> {
  return bucket.record.versioning === 'off' ? {} : { 'x-amz-version-id': version.versionId };
}

export function checksumHeaders(object: ObjectRecord): Record<string, string> {
  const { checksum } = object;
  if (checksum === undefined) return {};
  return { [checksumHeader(checksum.algorithm)]: checksum.value, 'x-amz-checksum-type': checksum.type };
}

/** `x-amz-tagging: a=1&b=2` */
export function taggingOf(exchange: Exchange): Record<string, string> | undefined {
  const tags = header(exchange, 'x-amz-tagging');
  return tags === undefined ? undefined : Object.fromEntries(new URLSearchParams(tags));
}

/** A whole number from the query; throws when it is something else or out of bounds. */
export function wholeNumber(
  exchange: Exchange,
  name: string,
  bounds: { min: number; max: number },
): number | undefined {
  const text = exchange.query.get(name);
  if (text === null || text === '') return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < bounds.min || value > bounds.max) {
    throw new S3Error('InvalidArgument', `${name} must be a whole number from ${bounds.min} to ${bounds.max}`);
  }
  return value;
}
