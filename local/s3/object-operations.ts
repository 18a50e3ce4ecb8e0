/** Operations on single objects. */

import type { Bucket, NewObject } from './bucket.ts';
import { checkMatch, checkRead, checkWrite } from './conditions.ts';
import {
  bucketOf,
  checksumHeaders,
  type Exchange,
  echoedHeaders,
  encryptionHeaders,
  header,
  type Operation,
  type Reply,
  storageClassOf,
  taggingOf,
  versionHeaders,
  wholeNumber,
} from './exchange.ts';
import type { ObjectRecord } from './records.ts';
import { checkRemovable, legalHoldOf, lockHeaders, retentionOf } from './retention.ts';
import { S3Error } from './s3-error.ts';
import { decodedUri } from './uri.ts';
import { document, element } from './xml.ts';

const MAX_KEY_BYTES = 1024;
const MAX_PARTS = 10_000;

export const putObject: Operation = async (exchange) => {
  const bucket = bucketOf(exchange);
  // Refused before the body as well: the client need not send it for nothing.
  checkWrite(exchange, bucket);
  const about = newObjectFacts(exchange);
  if (about.retention !== undefined && !hasDigest(exchange)) {
    throw new S3Error('InvalidRequest', 'Content-MD5 OR x-amz-checksum- HTTP header is required for Object Lock.');
  }
  const payload = exchange.payload({ etag: 'md5' });
  const segment = await bucket.data.write(payload.chunks());
  const { bytes, etag, checksum } = payload.received;
  const object = await addOrDiscard(exchange, {
    ...about,
    bytes,
    etag,
    segments: [segment],
    checksum: checksum && { ...checksum, type: 'FULL_OBJECT' },
  });
  return { headers: writtenHeaders(bucket, object) };
};

function hasDigest(exchange: Exchange): boolean {
  return Object.keys(exchange.headers).some(
    (name) => name === 'content-md5' || name.startsWith('x-amz-checksum-') || name === 'x-amz-trailer',
  );
}

/** Everything about a new object that its request's headers say. */
export function newObjectFacts(exchange: Exchange): Omit<NewObject, 'bytes' | 'etag' | 'segments'> {
  if (Buffer.byteLength(exchange.key) > MAX_KEY_BYTES) throw new S3Error('KeyTooLongError');
  return {
    key: exchange.key,
    headers: echoedHeaders(exchange),
    storageClass: storageClassOf(exchange),
    retention: retentionOf(exchange),
    legalHold: legalHoldOf(exchange),
    tags: taggingOf(exchange),
  };
}

/** Makes the object appear if the request's conditions still hold; its bytes are removed if they do not. */
async function addOrDiscard(exchange: Exchange, object: NewObject): Promise<ObjectRecord> {
  const bucket = bucketOf(exchange);
  try {
    return await bucket.add(object, { decide: () => checkWrite(exchange, bucket) });
  } catch (error) {
    bucket.data.remove(object.segments);
    throw error;
  }
}

function writtenHeaders(bucket: Bucket, object: ObjectRecord): Record<string, string> {
  return {
    etag: `"${object.etag}"`,
    ...checksumHeaders(object),
    ...versionHeaders(bucket, object),
    ...encryptionHeaders(object.headers),
  };
}

/** Where the bytes of a copy come from. */
export function copySource(exchange: Exchange): { bucket: Bucket; object: ObjectRecord } {
  const source = decodedUri(header(exchange, 'x-amz-copy-source') ?? '');
  const parsed = /^\/?([^/]+)\/(.+?)(?:\?versionId=([^?]+))?$/s.exec(source);
  if (parsed === null) throw new S3Error('InvalidArgument', 'x-amz-copy-source must be bucket/key.');
  const [, bucketName = '', key = '', versionId] = parsed;
  const bucket = exchange.storage.bucket(bucketName);
  const object = bucket.find(key, versionId);
  const ifMatch = header(exchange, 'x-amz-copy-source-if-match');
  if (ifMatch !== undefined && ifMatch.replaceAll('"', '') !== object.etag) throw new S3Error('PreconditionFailed');
  return { bucket, object };
}

export const copyObject: Operation = async (exchange) => {
  const bucket = bucketOf(exchange);
  const { bucket: from, object: source } = copySource(exchange);
  const replaces = header(exchange, 'x-amz-metadata-directive') === 'REPLACE';
  const sameTags = header(exchange, 'x-amz-tagging-directive') !== 'REPLACE';
  const about = newObjectFacts(exchange);
  using reading = from.data.hold(source.segments);
  const segment = await bucket.data.write(reading.bytesOf({ start: 0, end: source.bytes }));
  const object = await addOrDiscard(exchange, {
    ...about,
    headers: replaces ? about.headers : { ...source.headers, ...encryptionHeaders(about.headers) },
    tags: sameTags ? source.tags : about.tags,
    bytes: source.bytes,
    // A copy of a multipart object is one object: S3 gives it another ETag, and its checksum is of the whole.
    etag: source.etag.slice(0, 32),
    segments: [segment],
    checksum: source.checksum?.type === 'FULL_OBJECT' ? source.checksum : undefined,
  });
  const children = [
    element('ETag', `"${object.etag}"`),
    element('LastModified', new Date(object.modifiedMs).toISOString()),
  ];
  const headers = { ...versionHeaders(bucket, object), ...encryptionHeaders(object.headers) };
  return { headers, body: document('CopyObjectResult', children) };
};

/** HEAD is a GET whose body Node leaves out. */
export const getObject: Operation = (exchange) => {
  const bucket = bucketOf(exchange);
  const object = findShown(exchange, bucket);
  checkRead(exchange, object);
  const range = rangeOf(exchange, object);
  const reading = bucket.data.hold(object.segments);
  const bytes = range.end - range.start;
  return {
    status: range.partial ? 206 : 200,
    headers: {
      ...shownHeaders(exchange, { bucket, object }),
      'content-length': String(bytes),
      ...(range.partial ? { 'content-range': `bytes ${range.start}-${range.end - 1}/${object.bytes}` } : {}),
    },
    body: { bytes, chunks: () => reading.bytesOf(range), [Symbol.dispose]: () => reading[Symbol.dispose]() },
  };
};

/** The current version, or the one asked for; a delete marker says in a header what it is. */
function findShown(exchange: Exchange, bucket: Bucket): ObjectRecord {
  return bucket.find(exchange.key, exchange.query.get('versionId') ?? undefined);
}

function shownHeaders(exchange: Exchange, shown: { bucket: Bucket; object: ObjectRecord }): Record<string, string> {
  const { bucket, object } = shown;
  const wantsChecksum = header(exchange, 'x-amz-checksum-mode')?.toUpperCase() === 'ENABLED';
  const isWhole = header(exchange, 'range') === undefined && !exchange.query.has('partNumber');
  const headers: Record<string, string> = {
    'content-type': 'binary/octet-stream',
    ...object.headers,
    'accept-ranges': 'bytes',
    etag: `"${object.etag}"`,
    'last-modified': new Date(object.modifiedMs).toUTCString(),
    ...(wantsChecksum && isWhole ? checksumHeaders(object) : {}),
    ...(object.storageClass === 'STANDARD' ? {} : { 'x-amz-storage-class': object.storageClass }),
    ...(object.parts === undefined ? {} : { 'x-amz-mp-parts-count': String(object.parts.length) }),
    ...(object.tags === undefined ? {} : { 'x-amz-tagging-count': String(Object.keys(object.tags).length) }),
    ...versionHeaders(bucket, object),
    ...lockHeaders(object),
  };
  for (const [name, value] of exchange.query) {
    if (name.startsWith('response-')) headers[name.slice('response-'.length)] = value;
  }
  return headers;
}

interface ServedRange {
  readonly start: number;
  readonly end: number;
  readonly partial: boolean;
}

function rangeOf(exchange: Exchange, object: ObjectRecord): ServedRange {
  const partNumber = wholeNumber(exchange, 'partNumber', { min: 1, max: MAX_PARTS });
  if (partNumber !== undefined) return rangeOfPart(object, partNumber);
  const whole = { start: 0, end: object.bytes, partial: false };
  // Anything but one range of bytes is ignored, as RFC 9110 allows and S3 does.
  const parsed = /^bytes=(\d*)-(\d*)$/.exec(header(exchange, 'range') ?? '');
  if (parsed === null || (parsed[1] === '' && parsed[2] === '')) return whole;
  const [, first = '', last = ''] = parsed;
  const start = first === '' ? Math.max(object.bytes - Number(last), 0) : Number(first);
  const end = first === '' || last === '' ? object.bytes : Math.min(Number(last) + 1, object.bytes);
  if (start >= object.bytes || (first === '' && Number(last) === 0)) {
    throw new S3Error('InvalidRange', undefined, { ActualObjectSize: String(object.bytes) });
  }
  return start < end ? { start, end, partial: true } : whole;
}

function rangeOfPart(object: ObjectRecord, partNumber: number): ServedRange {
  const parts = object.parts ?? [{ partNumber: 1, bytes: object.bytes }];
  const part = parts[partNumber - 1];
  if (part === undefined) throw new S3Error('InvalidRange', `There are ${parts.length} parts.`);
  const start = parts.slice(0, partNumber - 1).reduce((sum, { bytes }) => sum + bytes, 0);
  return { start, end: start + part.bytes, partial: true };
}

export const deleteObject: Operation = async (exchange) => {
  const bucket = bucketOf(exchange);
  const { marker, versionId } = await deleteOne(exchange, {
    bucket,
    key: exchange.key,
    versionId: exchange.query.get('versionId') ?? undefined,
  });
  return {
    status: 204,
    headers: {
      ...(marker ? { 'x-amz-delete-marker': 'true' } : {}),
      ...(versionId === undefined ? {} : { 'x-amz-version-id': versionId }),
    },
  };
};

/** Deletes a version for good, or hides the current one behind a delete marker, or removes it where nothing is kept. */
export async function deleteOne(
  exchange: Exchange,
  target: { bucket: Bucket; key: string; versionId: string | undefined },
): Promise<{ marker: boolean; versionId: string | undefined }> {
  const { bucket, key, versionId } = target;
  checkMatch(exchange, bucket.current(key));
  if (versionId !== undefined) {
    const version = bucket.versions(key).find((candidate) => candidate.versionId === versionId);
    if (version === undefined) return { marker: false, versionId };
    if (version.kind === 'object') checkRemovable(exchange, version);
    await bucket.remove(version);
    return { marker: version.kind === 'delete-marker', versionId };
  }
  if (bucket.record.versioning === 'off') {
    const current = bucket.current(key);
    if (current !== undefined) await bucket.remove(current);
    return { marker: false, versionId: undefined };
  }
  const marker = await bucket.addMarker(key, { decide: () => checkMatch(exchange, bucket.current(key)) });
  return { marker: true, versionId: marker.versionId };
}

export const getObjectAttributes: Operation = (exchange): Reply => {
  const bucket = bucketOf(exchange);
  const object = findShown(exchange, bucket);
  const wanted = (header(exchange, 'x-amz-object-attributes') ?? '').split(',').map((name) => name.trim());
  const { checksum, parts } = object;
  const shown: Record<string, () => string[]> = {
    ETag: () => [element('ETag', object.etag)],
    Checksum: () =>
      checksum === undefined
        ? []
        : [
            element('Checksum', [
              element(`Checksum${checksum.algorithm}`, checksum.value.replace(/-\d+$/, '')),
              element('ChecksumType', checksum.type),
            ]),
          ],
    ObjectParts: () =>
      parts === undefined ? [] : [element('ObjectParts', [element('TotalPartsCount', parts.length)])],
    StorageClass: () => [element('StorageClass', object.storageClass)],
    ObjectSize: () => [element('ObjectSize', object.bytes)],
  };
  const children = wanted.flatMap((name) => shown[name]?.() ?? []);
  const headers = { 'last-modified': new Date(object.modifiedMs).toUTCString(), ...versionHeaders(bucket, object) };
  return { headers, body: document('GetObjectAttributesResponse', children) };
};
