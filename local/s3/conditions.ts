/** Conditional requests: only if the object is, or is not, what the client believes. */

import type { Bucket } from './bucket.ts';
import { type Exchange, header } from './exchange.ts';
import type { ObjectRecord } from './records.ts';
import { S3Error } from './s3-error.ts';

function failed(condition: string): S3Error {
  return new S3Error('PreconditionFailed', undefined, { Condition: condition });
}

/** Whether a list of entity tags, quoted or not, or `*`, names this one. */
function names(list: string, etag: string): boolean {
  return list.split(',').some((one) => ['*', etag].includes(one.trim().replace(/^W\//, '').replaceAll('"', '')));
}

/**
 * For a write: has to run in the turn in which the object appears, so that of many writers one wins. A delete marker
 * counts as no object.
 */
export function checkWrite(exchange: Exchange, bucket: Bucket): void {
  const current = bucket.current(exchange.key);
  const ifNoneMatch = header(exchange, 'if-none-match');
  if (ifNoneMatch !== undefined) {
    if (ifNoneMatch !== '*') throw new S3Error('NotImplemented', 'Only If-None-Match: * is known for writes.');
    if (current !== undefined) throw failed('If-None-Match');
  }
  checkMatch(exchange, current);
}

/** If-Match of writes and deletes. */
export function checkMatch(exchange: Exchange, current: ObjectRecord | undefined): void {
  const ifMatch = header(exchange, 'if-match');
  if (ifMatch === undefined) return;
  if (current === undefined) throw new S3Error('NoSuchKey');
  if (!names(ifMatch, current.etag)) throw failed('If-Match');
}

/** For GET and HEAD, in the order of RFC 9110, section 13.2.2. */
export function checkRead(exchange: Exchange, object: ObjectRecord): void {
  const value = (name: string) => header(exchange, name);
  const [ifMatch, ifNoneMatch] = [value('if-match'), value('if-none-match')];
  const [since, unmodified] = [
    Date.parse(value('if-modified-since') ?? ''),
    Date.parse(value('if-unmodified-since') ?? ''),
  ];
  if (ifMatch !== undefined) {
    if (!names(ifMatch, object.etag)) throw failed('If-Match');
  } else if (object.modifiedMs > unmodified) throw failed('If-Unmodified-Since');
  if (ifNoneMatch !== undefined) {
    if (names(ifNoneMatch, object.etag)) throw new S3Error('NotModified');
  } else if (object.modifiedMs <= since) throw new S3Error('NotModified');
}
