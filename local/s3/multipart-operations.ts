/** Operations of multipart uploads. */

import { createHash } from 'node:crypto';
import type { Bucket, NewObject } from './bucket.ts';
import {
  type Checksum,
  type ChecksumAlgorithm,
  type ChecksumType,
  checksumAlgorithm,
  checksumHeader,
  checksumOfParts,
} from './checksums.ts';
import { checkWrite } from './conditions.ts';
import {
  bucketOf,
  type Exchange,
  encryptionHeaders,
  header,
  type Operation,
  type Reply,
  versionHeaders,
  wholeNumber,
} from './exchange.ts';
import { copySource, newObjectFacts } from './object-operations.ts';
import { Payload } from './payload.ts';
import type { ObjectRecord, PartRecord } from './records.ts';
import { S3Error } from './s3-error.ts';
import type { Upload } from './uploads.ts';
import { childrenOf, childText, document, element, type XmlElement } from './xml.ts';

const MAX_PARTS = 10_000;
const MIN_PART_BYTES = 5 * 1024 * 1024;

export const createMultipartUpload: Operation = async (exchange) => {
  const bucket = bucketOf(exchange);
  const checksum = uploadChecksum(exchange);
  const { key, headers, storageClass, retention, tags } = newObjectFacts(exchange);
  const initiatedMs = exchange.now().getTime();
  const about = { key, headers, storageClass, retention, tags, checksum, initiatedMs };
  const upload = await bucket.uploads.begin(about);
  const children = [element('Bucket', exchange.bucketName), element('Key', key), element('UploadId', upload.uploadId)];
  const shown: Record<string, string> =
    checksum === undefined
      ? {}
      : { 'x-amz-checksum-algorithm': checksum.algorithm, 'x-amz-checksum-type': checksum.type };
  return {
    headers: { ...shown, ...encryptionHeaders(headers) },
    body: document('InitiateMultipartUploadResult', children),
  };
};

function uploadChecksum(exchange: Exchange): { algorithm: ChecksumAlgorithm; type: ChecksumType } | undefined {
  const name = header(exchange, 'x-amz-checksum-algorithm');
  if (name === undefined) return undefined;
  const algorithm = checksumAlgorithm(name);
  if (algorithm === undefined) throw new S3Error('InvalidRequest', `Checksum algorithm ${name} is not known here.`);
  const type = header(exchange, 'x-amz-checksum-type') ?? (algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE');
  const isCrc = algorithm.startsWith('CRC');
  if (type !== 'FULL_OBJECT' && type !== 'COMPOSITE') throw new S3Error('InvalidRequest', `No checksum type ${type}.`);
  if (type === 'FULL_OBJECT' ? !isCrc : algorithm === 'CRC64NVME') {
    throw new S3Error('InvalidRequest', `The ${type} checksum type cannot be used with ${algorithm}.`);
  }
  return { algorithm, type };
}

function uploadOf(exchange: Exchange): Upload {
  return bucketOf(exchange).uploads.find(exchange.key, exchange.query.get('uploadId') ?? '');
}

function partNumberOf(exchange: Exchange): number {
  const partNumber = wholeNumber(exchange, 'partNumber', { min: 1, max: MAX_PARTS });
  if (partNumber === undefined) throw new S3Error('InvalidArgument', 'partNumber is missing');
  return partNumber;
}

export const uploadPart: Operation = async (exchange) => {
  const bucket = bucketOf(exchange);
  const upload = uploadOf(exchange);
  const partNumber = partNumberOf(exchange);
  const payload = exchange.payload({ etag: 'sha256', algorithm: upload.record.checksum?.algorithm });
  const segment = await bucket.data.write(payload.chunks());
  const { etag, checksum } = payload.received;
  await addPart(bucket, upload, {
    kind: 'part',
    partNumber,
    etag,
    modifiedMs: exchange.now().getTime(),
    segment,
    checksum: checksum?.value,
  });
  return {
    headers: {
      etag: `"${etag}"`,
      ...(checksum === undefined ? {} : { [checksumHeader(checksum.algorithm)]: checksum.value }),
      ...encryptionHeaders(upload.record.headers),
    },
  };
};

async function addPart(bucket: Bucket, upload: Upload, part: PartRecord): Promise<void> {
  try {
    await bucket.uploads.addPart(upload, part);
  } catch (error) {
    bucket.data.remove([part.segment]);
    throw error;
  }
}

export const uploadPartCopy: Operation = async (exchange) => {
  const bucket = bucketOf(exchange);
  const upload = uploadOf(exchange);
  const partNumber = partNumberOf(exchange);
  const { bucket: from, object } = copySource(exchange);
  using reading = from.data.hold(object.segments);
  const body = reading.bytesOf(copyRange(exchange, object));
  const payload = new Payload(
    { body, headers: {}, signed: undefined },
    { etag: 'sha256', algorithm: upload.record.checksum?.algorithm },
  );
  const segment = await bucket.data.write(payload.chunks());
  const { etag, checksum } = payload.received;
  const modifiedMs = exchange.now().getTime();
  await addPart(bucket, upload, { kind: 'part', partNumber, etag, modifiedMs, segment, checksum: checksum?.value });
  const children = [element('ETag', `"${etag}"`), element('LastModified', new Date(modifiedMs).toISOString())];
  return { body: document('CopyPartResult', children) };
};

function copyRange(exchange: Exchange, object: ObjectRecord): { start: number; end: number } {
  const text = header(exchange, 'x-amz-copy-source-range');
  if (text === undefined) return { start: 0, end: object.bytes };
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(text) ?? [];
  if (first === undefined || last === undefined || Number(last) >= object.bytes || Number(first) > Number(last)) {
    throw new S3Error('InvalidArgument', 'x-amz-copy-source-range is not inside the source.');
  }
  return { start: Number(first), end: Number(last) + 1 };
}

/** A part as Complete lists it. */
interface ListedPart {
  readonly partNumber: number;
  readonly etag: string;
  readonly checksum: string | undefined;
}

export const completeMultipartUpload: Operation = async (exchange) => {
  const bucket = bucketOf(exchange);
  const listed = listedParts(await exchange.xml({ checksumOf: 'object' }));
  const uploadId = exchange.query.get('uploadId') ?? '';
  try {
    const upload = bucket.uploads.find(exchange.key, uploadId);
    checkWrite(exchange, bucket);
    const parts = chosenParts(upload, listed);
    const object = await appear(exchange, { bucket, upload, object: objectOf(exchange, upload, parts) });
    await bucket.uploads.clean(upload, new Set(parts.map(({ segment }) => segment.file)));
    return completed(exchange, object);
  } catch (error) {
    // Asked again after it was done, S3 answers as it did then.
    const isGone = error instanceof S3Error && error.code === 'NoSuchUpload';
    const made = isGone ? madeBy(bucket, exchange.key, uploadId) : undefined;
    if (made === undefined) throw error;
    return completed(exchange, made);
  }
};

function madeBy(bucket: Bucket, key: string, uploadId: string): ObjectRecord | undefined {
  const versions = bucket.versions(key).filter((version) => version.kind === 'object');
  return versions.find((version) => version.uploadId === uploadId);
}

function listedParts(body: XmlElement): ListedPart[] {
  const parts = childrenOf(body, 'Part');
  if (parts.length === 0 || parts.length > MAX_PARTS) throw new S3Error('MalformedXML');
  return parts.map((part) => ({
    partNumber: Number(childText(part, 'PartNumber')),
    etag: (childText(part, 'ETag') ?? '').replaceAll('"', ''),
    checksum: part.children.find(({ name }) => name.startsWith('Checksum'))?.text,
  }));
}

/** The stored parts that the list names; throws when the list does not fit them. */
function chosenParts(upload: Upload, listed: readonly ListedPart[]): PartRecord[] {
  const isAscending = listed.every(
    (part, index) => index === 0 || part.partNumber > (listed[index - 1]?.partNumber ?? 0),
  );
  if (!isAscending) throw new S3Error('InvalidPartOrder');
  return listed.map(({ partNumber, etag, checksum }, index) => {
    const part = upload.parts.get(partNumber);
    const isOther = part?.etag !== etag || (checksum !== undefined && part.checksum !== checksum);
    if (part === undefined || isOther) {
      throw new S3Error('InvalidPart', undefined, { PartNumber: String(partNumber), ETag: etag });
    }
    if (part.segment.bytes < MIN_PART_BYTES && index < listed.length - 1) {
      throw new S3Error('EntityTooSmall', undefined, { PartNumber: String(partNumber) });
    }
    return part;
  });
}

function objectOf(exchange: Exchange, upload: Upload, parts: readonly PartRecord[]): NewObject {
  const { key, headers, storageClass, retention, tags, uploadId } = upload.record;
  const bytes = parts.reduce((sum, { segment }) => sum + segment.bytes, 0);
  const announced = header(exchange, 'x-amz-mp-object-size');
  if (announced !== undefined && Number(announced) !== bytes) {
    throw new S3Error('InvalidRequest', `The parts have ${bytes} bytes, x-amz-mp-object-size says ${announced}.`);
  }
  const etags = parts.map(({ etag }) => Buffer.from(etag, 'hex'));
  return {
    key,
    headers,
    storageClass,
    retention,
    tags,
    uploadId,
    bytes,
    etag: `${createHash('md5').update(Buffer.concat(etags)).digest('hex')}-${parts.length}`,
    segments: parts.map(({ segment }) => segment),
    parts: parts.map(({ partNumber, segment, checksum }) => ({ partNumber, bytes: segment.bytes, checksum })),
    checksum: wholeChecksum(exchange, upload, parts),
  };
}

function wholeChecksum(exchange: Exchange, upload: Upload, parts: readonly PartRecord[]): Checksum | undefined {
  const how = upload.record.checksum;
  if (how === undefined) return undefined;
  const values = parts.map(({ checksum, segment }) => ({ value: checksum ?? '', bytes: segment.bytes }));
  const whole = checksumOfParts(how, values);
  const sent = header(exchange, checksumHeader(how.algorithm));
  if (sent !== undefined && sent !== whole.value) throw new S3Error('BadDigest');
  return whole;
}

/** The turn in which the object appears is the one in which the upload ends: nobody can abort what is an object. */
function appear(
  exchange: Exchange,
  what: { bucket: Bucket; upload: Upload; object: NewObject },
): Promise<ObjectRecord> {
  const { bucket, upload, object } = what;
  return bucket.add(object, {
    decide: () => {
      bucket.uploads.find(upload.record.key, upload.record.uploadId);
      checkWrite(exchange, bucket);
    },
    apply: () => bucket.uploads.forget(upload),
  });
}

function completed(exchange: Exchange, object: ObjectRecord): Reply {
  const { checksum } = object;
  const children = [
    element('Location', `/${exchange.bucketName}/${object.key}`),
    element('Bucket', exchange.bucketName),
    element('Key', object.key),
    element('ETag', `"${object.etag}"`),
    ...(checksum === undefined
      ? []
      : [element(`Checksum${checksum.algorithm}`, checksum.value), element('ChecksumType', checksum.type)]),
  ];
  const headers = { ...versionHeaders(bucketOf(exchange), object), ...encryptionHeaders(object.headers) };
  return { headers, body: document('CompleteMultipartUploadResult', children) };
}

export const abortMultipartUpload: Operation = async (exchange) => {
  const { uploads } = bucketOf(exchange);
  const upload = uploadOf(exchange);
  uploads.forget(upload);
  await uploads.clean(upload, new Set());
  return { status: 204 };
};
