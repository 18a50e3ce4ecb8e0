/** Operations on buckets, and the deletion of many objects at once. */

import { bucketOf, type Exchange, header, type Operation } from './exchange.ts';
import { deleteOne } from './object-operations.ts';
import { S3Error } from './s3-error.ts';
import { childrenOf, childText, document, element, type XmlElement } from './xml.ts';

/** S3's bound on one DeleteObjects. */
const MAX_DELETIONS = 1000;

export const listBuckets: Operation = ({ storage, owner }) => {
  const buckets = storage
    .buckets()
    .map(({ record }) =>
      element('Bucket', [
        element('Name', record.name),
        element('CreationDate', new Date(record.createdMs).toISOString()),
      ]),
    );
  return {
    body: document('ListAllMyBucketsResult', [element('Owner', [element('ID', owner)]), element('Buckets', buckets)]),
  };
};

/** Object Lock needs versions, so asking for it turns them on. */
export const createBucket: Operation = async (exchange) => {
  const objectLock = header(exchange, 'x-amz-bucket-object-lock-enabled')?.toLowerCase() === 'true';
  await exchange.storage.create(exchange.bucketName, { versioning: objectLock ? 'Enabled' : 'off', objectLock });
  return { headers: { location: `/${exchange.bucketName}` } };
};

export const headBucket: Operation = (exchange) => {
  bucketOf(exchange);
  return { headers: { 'x-amz-bucket-region': exchange.region } };
};

export const deleteBucket: Operation = (exchange) => {
  exchange.storage.remove(exchange.bucketName);
  return { status: 204 };
};

/** us-east-1 is the region that has no name here. */
export const getBucketLocation: Operation = (exchange) => {
  bucketOf(exchange);
  const region = exchange.region === 'us-east-1' ? '' : exchange.region;
  const namespace = 'http://s3.amazonaws.com/doc/2006-03-01/';
  return { body: `<LocationConstraint xmlns="${namespace}">${region}</LocationConstraint>` };
};

export const getBucketVersioning: Operation = (exchange) => {
  const { versioning } = bucketOf(exchange).record;
  return { body: document('VersioningConfiguration', versioning === 'off' ? [] : [element('Status', versioning)]) };
};

export const putBucketVersioning: Operation = async (exchange) => {
  const status = childText(await exchange.xml(), 'Status');
  const bucket = bucketOf(exchange);
  if (status !== 'Enabled' && status !== 'Suspended') throw new S3Error('MalformedXML');
  if (bucket.record.objectLock && status === 'Suspended') {
    throw new S3Error('InvalidRequest', 'Versioning cannot be suspended in a bucket with Object Lock.');
  }
  await bucket.change({ ...bucket.record, versioning: status });
  return {};
};

export const deleteObjects: Operation = async (exchange) => {
  const body = await exchange.xml();
  const wanted = childrenOf(body, 'Object');
  if (wanted.length === 0 || wanted.length > MAX_DELETIONS) throw new S3Error('MalformedXML');
  const isQuiet = childText(body, 'Quiet') === 'true';
  const results: string[] = [];
  for (const object of wanted) results.push(...(await deleteListed(exchange, object, isQuiet)));
  return { body: document('DeleteResult', results) };
};

async function deleteListed(exchange: Exchange, object: XmlElement, isQuiet: boolean): Promise<string[]> {
  const key = childText(object, 'Key') ?? '';
  const versionId = childText(object, 'VersionId');
  const named = [element('Key', key), ...(versionId === undefined ? [] : [element('VersionId', versionId)])];
  try {
    const { marker, versionId: markerId } = await deleteOne(exchange, { bucket: bucketOf(exchange), key, versionId });
    const made = marker ? [element('DeleteMarker', 'true'), element('DeleteMarkerVersionId', markerId ?? '')] : [];
    return isQuiet ? [] : [element('Deleted', [...named, ...made])];
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    return [element('Error', [...named, element('Code', error.code), element('Message', error.message)])];
  }
}
