/** Listings: objects, versions, uploads, parts. */

import type { Bucket } from './bucket.ts';
import { byUtf8 } from './bucket.ts';
import { bucketOf, type Exchange, type Operation, wholeNumber } from './exchange.ts';
import type { UploadRecord } from './records.ts';
import { S3Error } from './s3-error.ts';
import { encoded } from './signature.ts';
import { document, element } from './xml.ts';

/** The most a page holds; asking for more gets this. */
const PAGE = 1000;
const ANY = 2 ** 31 - 1;

/** How a listing of keys was asked for. */
interface Asked {
  readonly prefix: string;
  readonly delimiter: string;
  readonly limit: number;
  /** Keys as they stand in the answer: encoded if the client wants it, because XML cannot carry every character. */
  readonly shown: (key: string) => string;
}

function askedOf(exchange: Exchange, limitName: string): Asked {
  const wantsUrl = exchange.query.get('encoding-type') === 'url';
  return {
    prefix: exchange.query.get('prefix') ?? '',
    delimiter: exchange.query.get('delimiter') ?? '',
    limit: Math.min(wholeNumber(exchange, limitName, { min: 0, max: ANY }) ?? PAGE, PAGE),
    shown: wantsUrl ? (key) => encoded(key).replaceAll('%2F', '/') : (key) => key,
  };
}

interface Page<T> {
  readonly items: readonly T[];
  readonly commonPrefixes: readonly string[];
  /** The key, or common prefix, after which the next page begins; undefined on the last one. */
  readonly next: string | undefined;
}

/** A page of things that come in the order of their keys; a common prefix counts as one. */
function pageOf<T extends { readonly key: string }>(sorted: Iterable<T>, asked: Asked, after: string): Page<T> {
  const items: T[] = [];
  const commonPrefixes = new Set<string>();
  let last = '';
  for (const item of sorted) {
    if (!item.key.startsWith(asked.prefix)) continue;
    const cut = asked.delimiter === '' ? -1 : item.key.indexOf(asked.delimiter, asked.prefix.length);
    const common = cut === -1 ? undefined : item.key.slice(0, cut + asked.delimiter.length);
    // A page that ended with a common prefix has dealt with every key below it.
    if (common !== undefined && (commonPrefixes.has(common) || (after !== '' && byUtf8(common, after) <= 0))) continue;
    if (items.length + commonPrefixes.size === asked.limit) {
      return { items, commonPrefixes: [...commonPrefixes], next: last };
    }
    last = common ?? item.key;
    if (common === undefined) items.push(item);
    else commonPrefixes.add(common);
  }
  return { items, commonPrefixes: [...commonPrefixes], next: undefined };
}

function* keysAfter(bucket: Bucket, after: string): Generator<string> {
  const keys = bucket.keys();
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (after === '' || byUtf8(keys[middle] ?? '', after) > 0) high = middle;
    else low = middle + 1;
  }
  for (let index = low; index < keys.length; index++) yield keys[index] ?? '';
}

function* currentAfter(bucket: Bucket, after: string) {
  for (const key of keysAfter(bucket, after)) {
    const object = bucket.current(key);
    if (object !== undefined) yield object;
  }
}

/** What both versions of ListObjects have in common. */
function contents(
  exchange: Exchange,
  asked: Asked,
  after: string,
): { page: Page<{ key: string }>; children: string[] } {
  const page = pageOf(currentAfter(bucketOf(exchange), after), asked, after);
  const children = page.items.map((object) =>
    element('Contents', [
      element('Key', asked.shown(object.key)),
      element('LastModified', new Date(object.modifiedMs).toISOString()),
      element('ETag', `"${object.etag}"`),
      ...(object.checksum === undefined
        ? []
        : [element('ChecksumAlgorithm', object.checksum.algorithm), element('ChecksumType', object.checksum.type)]),
      element('Size', object.bytes),
      element('StorageClass', object.storageClass),
    ]),
  );
  return { page, children: [...children, ...commonPrefixes(page, asked)] };
}

function commonPrefixes(page: Page<unknown>, asked: Asked): string[] {
  return page.commonPrefixes.map((prefix) => element('CommonPrefixes', [element('Prefix', asked.shown(prefix))]));
}

function about(exchange: Exchange, asked: Asked): string[] {
  return [
    element('Name', exchange.bucketName),
    element('Prefix', asked.shown(asked.prefix)),
    ...(asked.delimiter === '' ? [] : [element('Delimiter', asked.shown(asked.delimiter))]),
    ...(exchange.query.get('encoding-type') === 'url' ? [element('EncodingType', 'url')] : []),
  ];
}

export const listObjectsV2: Operation = (exchange) => {
  const asked = askedOf(exchange, 'max-keys');
  const token = exchange.query.get('continuation-token');
  const startAfter = exchange.query.get('start-after') ?? '';
  const after = token === null ? startAfter : Buffer.from(token, 'base64url').toString();
  const { page, children } = contents(exchange, asked, after);
  const paging = [
    element('MaxKeys', asked.limit),
    element('KeyCount', page.items.length + page.commonPrefixes.length),
    element('IsTruncated', String(page.next !== undefined)),
    ...(token === null ? [] : [element('ContinuationToken', token)]),
    ...(startAfter === '' ? [] : [element('StartAfter', asked.shown(startAfter))]),
    ...(page.next === undefined
      ? []
      : [element('NextContinuationToken', Buffer.from(page.next).toString('base64url'))]),
  ];
  return { body: document('ListBucketResult', [...about(exchange, asked), ...paging, ...children]) };
};

export const listObjects: Operation = (exchange) => {
  const asked = askedOf(exchange, 'max-keys');
  const marker = exchange.query.get('marker') ?? '';
  const { page, children } = contents(exchange, asked, marker);
  const paging = [
    element('Marker', asked.shown(marker)),
    element('MaxKeys', asked.limit),
    element('IsTruncated', String(page.next !== undefined)),
    ...(page.next === undefined ? [] : [element('NextMarker', asked.shown(page.next))]),
  ];
  return { body: document('ListBucketResult', [...about(exchange, asked), ...paging, ...children]) };
};

/** Versions of a key are told apart by their place among its versions; a page begins inside a key if need be. */
export const listObjectVersions: Operation = (exchange) => {
  const asked = askedOf(exchange, 'max-keys');
  const keyMarker = exchange.query.get('key-marker') ?? '';
  const versionMarker = exchange.query.get('version-id-marker') ?? '';
  const bucket = bucketOf(exchange);
  const page = pageOf(versionsAfter(bucket, { keyMarker, versionMarker }), asked, keyMarker);
  const children = page.items.map(({ key, version, isLatest }) => {
    const common = [
      element('Key', asked.shown(key)),
      element('VersionId', version.versionId),
      element('IsLatest', String(isLatest)),
      element('LastModified', new Date(version.modifiedMs).toISOString()),
    ];
    if (version.kind === 'delete-marker') return element('DeleteMarker', common);
    const facts = [
      element('ETag', `"${version.etag}"`),
      element('Size', version.bytes),
      element('StorageClass', version.storageClass),
    ];
    return element('Version', [...common, ...facts]);
  });
  const last = page.items.at(-1);
  const next =
    page.next === undefined
      ? []
      : [
          element('NextKeyMarker', asked.shown(page.next)),
          ...(last?.key === page.next ? [element('NextVersionIdMarker', last.version.versionId)] : []),
        ];
  const paging = [
    element('KeyMarker', asked.shown(keyMarker)),
    element('VersionIdMarker', versionMarker),
    element('MaxKeys', asked.limit),
    element('IsTruncated', String(page.next !== undefined)),
    ...next,
  ];
  const all = [...about(exchange, asked), ...paging, ...children, ...commonPrefixes(page, asked)];
  return { body: document('ListVersionsResult', all) };
};

function* versionsAfter(bucket: Bucket, after: { keyMarker: string; versionMarker: string }) {
  const { keyMarker, versionMarker } = after;
  if (versionMarker !== '') {
    const versions = bucket.versions(keyMarker);
    const place = versions.findIndex(({ versionId }) => versionId === versionMarker);
    for (const version of versions.slice(place + 1)) yield { key: keyMarker, version, isLatest: false };
  }
  for (const key of keysAfter(bucket, keyMarker)) {
    for (const [place, version] of bucket.versions(key).entries()) yield { key, version, isLatest: place === 0 };
  }
}

export const listMultipartUploads: Operation = (exchange) => {
  const asked = askedOf(exchange, 'max-uploads');
  const keyMarker = exchange.query.get('key-marker') ?? '';
  const idMarker = exchange.query.get('upload-id-marker') ?? '';
  const isAfter = ({ key, uploadId }: UploadRecord) => {
    const order = byUtf8(key, keyMarker);
    return keyMarker === '' || order > 0 || (order === 0 && idMarker !== '' && byUtf8(uploadId, idMarker) > 0);
  };
  const sorted = bucketOf(exchange)
    .uploads.all()
    .filter(isAfter)
    .toSorted((a, b) => byUtf8(a.key, b.key) || byUtf8(a.uploadId, b.uploadId));
  const page = pageOf(sorted, asked, keyMarker);
  const children = page.items.map((upload) =>
    element('Upload', [
      element('Key', asked.shown(upload.key)),
      element('UploadId', upload.uploadId),
      element('StorageClass', upload.storageClass),
      element('Initiated', new Date(upload.initiatedMs).toISOString()),
    ]),
  );
  const paging = [
    element('Bucket', exchange.bucketName),
    element('KeyMarker', asked.shown(keyMarker)),
    element('UploadIdMarker', idMarker),
    element('MaxUploads', asked.limit),
    element('IsTruncated', String(page.next !== undefined)),
    ...(page.next === undefined
      ? []
      : [
          element('NextKeyMarker', asked.shown(page.next)),
          element('NextUploadIdMarker', page.items.at(-1)?.uploadId ?? ''),
        ]),
  ];
  return {
    body: document('ListMultipartUploadsResult', [
      ...about(exchange, asked),
      ...paging,
      ...children,
      ...commonPrefixes(page, asked),
    ]),
  };
};

export const listParts: Operation = (exchange) => {
  const { record, parts } = bucketOf(exchange).uploads.find(exchange.key, exchange.query.get('uploadId') ?? '');
  const marker = wholeNumber(exchange, 'part-number-marker', { min: 0, max: ANY }) ?? 0;
  const limit = Math.min(wholeNumber(exchange, 'max-parts', { min: 1, max: ANY }) ?? PAGE, PAGE);
  const left = [...parts.values()].filter(({ partNumber }) => partNumber > marker);
  const page = left.toSorted((a, b) => a.partNumber - b.partNumber).slice(0, limit);
  const next = page.at(-1)?.partNumber ?? marker;
  if (record.key !== exchange.key) throw new S3Error('NoSuchUpload');
  const children = page.map((part) =>
    element('Part', [
      element('PartNumber', part.partNumber),
      element('LastModified', new Date(part.modifiedMs).toISOString()),
      element('ETag', `"${part.etag}"`),
      element('Size', part.segment.bytes),
      ...(part.checksum === undefined || record.checksum === undefined
        ? []
        : [element(`Checksum${record.checksum.algorithm}`, part.checksum)]),
    ]),
  );
  const facts = [
    element('Bucket', exchange.bucketName),
    element('Key', record.key),
    element('UploadId', record.uploadId),
    element('PartNumberMarker', marker),
    element('NextPartNumberMarker', next),
    element('MaxParts', limit),
    element('IsTruncated', String(page.length < left.length)),
    element('StorageClass', record.storageClass),
  ];
  return { body: document('ListPartsResult', [...facts, ...children]) };
};
