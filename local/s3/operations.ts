/** Which operation a request asks for. */

import {
  createBucket,
  deleteBucket,
  deleteObjects,
  getBucketLocation,
  getBucketVersioning,
  headBucket,
  listBuckets,
  putBucketVersioning,
} from './bucket-operations.ts';
import type { Operation } from './exchange.ts';
import { listMultipartUploads, listObjects, listObjectsV2, listObjectVersions, listParts } from './list-operations.ts';
import {
  abortMultipartUpload,
  completeMultipartUpload,
  createMultipartUpload,
  uploadPart,
  uploadPartCopy,
} from './multipart-operations.ts';
import { copyObject, deleteObject, getObject, getObjectAttributes, putObject } from './object-operations.ts';
import {
  getObjectLegalHold,
  getObjectLockConfiguration,
  getObjectRetention,
  putObjectLegalHold,
  putObjectLockConfiguration,
  putObjectRetention,
} from './retention.ts';
import { deleteObjectTagging, getObjectTagging, putObjectTagging } from './tagging.ts';

interface Route {
  readonly name: string;
  readonly on: 'service' | 'bucket' | 'object';
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** Query parameter that has to be there. */
  readonly query?: string;
  /** Header that has to be there. */
  readonly header?: string;
  readonly run: Operation;
}

const COPY = 'x-amz-copy-source';

/** In this order: the first that fits is meant, so the ones without a query come last. */
const ROUTES: readonly Route[] = [
  { name: 'ListBuckets', on: 'service', method: 'GET', run: listBuckets },

  { name: 'GetBucketLocation', on: 'bucket', method: 'GET', query: 'location', run: getBucketLocation },
  { name: 'GetBucketVersioning', on: 'bucket', method: 'GET', query: 'versioning', run: getBucketVersioning },
  { name: 'PutBucketVersioning', on: 'bucket', method: 'PUT', query: 'versioning', run: putBucketVersioning },
  {
    name: 'GetObjectLockConfiguration',
    on: 'bucket',
    method: 'GET',
    query: 'object-lock',
    run: getObjectLockConfiguration,
  },
  {
    name: 'PutObjectLockConfiguration',
    on: 'bucket',
    method: 'PUT',
    query: 'object-lock',
    run: putObjectLockConfiguration,
  },
  { name: 'ListMultipartUploads', on: 'bucket', method: 'GET', query: 'uploads', run: listMultipartUploads },
  { name: 'ListObjectVersions', on: 'bucket', method: 'GET', query: 'versions', run: listObjectVersions },
  { name: 'ListObjectsV2', on: 'bucket', method: 'GET', query: 'list-type', run: listObjectsV2 },
  { name: 'DeleteObjects', on: 'bucket', method: 'POST', query: 'delete', run: deleteObjects },
  { name: 'ListObjects', on: 'bucket', method: 'GET', run: listObjects },
  { name: 'CreateBucket', on: 'bucket', method: 'PUT', run: createBucket },
  { name: 'HeadBucket', on: 'bucket', method: 'HEAD', run: headBucket },
  { name: 'DeleteBucket', on: 'bucket', method: 'DELETE', run: deleteBucket },

  { name: 'CreateMultipartUpload', on: 'object', method: 'POST', query: 'uploads', run: createMultipartUpload },
  { name: 'CompleteMultipartUpload', on: 'object', method: 'POST', query: 'uploadId', run: completeMultipartUpload },
  { name: 'UploadPartCopy', on: 'object', method: 'PUT', query: 'uploadId', header: COPY, run: uploadPartCopy },
  { name: 'UploadPart', on: 'object', method: 'PUT', query: 'uploadId', run: uploadPart },
  { name: 'ListParts', on: 'object', method: 'GET', query: 'uploadId', run: listParts },
  { name: 'AbortMultipartUpload', on: 'object', method: 'DELETE', query: 'uploadId', run: abortMultipartUpload },
  { name: 'GetObjectAttributes', on: 'object', method: 'GET', query: 'attributes', run: getObjectAttributes },
  { name: 'GetObjectRetention', on: 'object', method: 'GET', query: 'retention', run: getObjectRetention },
  { name: 'PutObjectRetention', on: 'object', method: 'PUT', query: 'retention', run: putObjectRetention },
  { name: 'GetObjectLegalHold', on: 'object', method: 'GET', query: 'legal-hold', run: getObjectLegalHold },
  { name: 'PutObjectLegalHold', on: 'object', method: 'PUT', query: 'legal-hold', run: putObjectLegalHold },
  { name: 'GetObjectTagging', on: 'object', method: 'GET', query: 'tagging', run: getObjectTagging },
  { name: 'PutObjectTagging', on: 'object', method: 'PUT', query: 'tagging', run: putObjectTagging },
  { name: 'DeleteObjectTagging', on: 'object', method: 'DELETE', query: 'tagging', run: deleteObjectTagging },
  { name: 'CopyObject', on: 'object', method: 'PUT', header: COPY, run: copyObject },
  { name: 'GetObject', on: 'object', method: 'GET', run: getObject },
  { name: 'HeadObject', on: 'object', method: 'HEAD', run: getObject },
  { name: 'PutObject', on: 'object', method: 'PUT', run: putObject },
  { name: 'DeleteObject', on: 'object', method: 'DELETE', run: deleteObject },
];

/** Parameters that ask for something else than the plain operation; one we do not know must not be taken for it. */
const SUBRESOURCES = [
  ...[
    'accelerate',
    'acl',
    'analytics',
    'cors',
    'encryption',
    'intelligent-tiering',
    'inventory',
    'lifecycle',
    'logging',
  ],
  ...['metrics', 'notification', 'ownershipControls', 'policy', 'policyStatus', 'publicAccessBlock', 'replication'],
  ...['requestPayment', 'restore', 'select', 'tagging', 'torrent', 'website', 'renameObject', 'session'],
];

/** The operation for a request; undefined when this server has none for it. */
export function routeOf(request: {
  method: string;
  bucketName: string;
  key: string;
  query: URLSearchParams;
  hasHeader: (name: string) => boolean;
}): { readonly name: string; readonly run: Operation } | undefined {
  const { method, bucketName, key, query, hasHeader } = request;
  const on = bucketName === '' ? 'service' : key === '' ? 'bucket' : 'object';
  const route = ROUTES.find(
    (candidate) =>
      candidate.on === on &&
      candidate.method === method &&
      (candidate.query === undefined || query.has(candidate.query)) &&
      (candidate.header === undefined || hasHeader(candidate.header)),
  );
  const isPlain = route?.query === undefined;
  return isPlain && SUBRESOURCES.some((name) => query.has(name)) ? undefined : route;
}
