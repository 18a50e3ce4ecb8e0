/** Object Lock: what may not be deleted or overwritten yet. */

import { bucketOf, type Exchange, header, type Operation } from './exchange.ts';
import type { BucketRecord, LockMode, ObjectRecord, Retention } from './records.ts';
import { S3Error } from './s3-error.ts';
import { childText, document, element } from './xml.ts';

const DAY_MS = 86_400_000;

function modeOf(text: string | undefined): LockMode {
  if (text !== 'GOVERNANCE' && text !== 'COMPLIANCE') throw new S3Error('InvalidArgument', 'Unknown lock mode.');
  return text;
}

function futureOf(text: string | undefined, now: Date): number {
  const untilMs = Date.parse(text ?? '');
  if (!(untilMs > now.getTime())) throw new S3Error('InvalidArgument', 'The retain until date must be in the future!');
  return untilMs;
}

/** The retention a new object gets: from its headers, else the bucket's default. */
export function retentionOf(exchange: Exchange): Retention | undefined {
  const { record } = bucketOf(exchange);
  const mode = header(exchange, 'x-amz-object-lock-mode');
  const until = header(exchange, 'x-amz-object-lock-retain-until-date');
  if (mode !== undefined || until !== undefined) {
    requireLock(record);
    return { mode: modeOf(mode), untilMs: futureOf(until, exchange.now()) };
  }
  const byDefault = record.defaultRetention;
  if (byDefault === undefined) return undefined;
  return { mode: byDefault.mode, untilMs: exchange.now().getTime() + byDefault.days * DAY_MS };
}

export function legalHoldOf(exchange: Exchange): boolean | undefined {
  const hold = header(exchange, 'x-amz-object-lock-legal-hold');
  if (hold === undefined) return undefined;
  requireLock(bucketOf(exchange).record);
  return hold === 'ON';
}

function requireLock(record: BucketRecord): void {
  if (!record.objectLock) throw new S3Error('InvalidRequest', 'Bucket is missing Object Lock Configuration');
}

export function lockHeaders(object: ObjectRecord): Record<string, string> {
  const headers: Record<string, string> = {};
  if (object.retention !== undefined) {
    headers['x-amz-object-lock-mode'] = object.retention.mode;
    headers['x-amz-object-lock-retain-until-date'] = new Date(object.retention.untilMs).toISOString();
  }
  if (object.legalHold !== undefined) headers['x-amz-object-lock-legal-hold'] = object.legalHold ? 'ON' : 'OFF';
  return headers;
}

/** Throws when this version may not be removed now. */
export function checkRemovable(exchange: Exchange, object: ObjectRecord): void {
  const locked = new S3Error('AccessDenied', 'Access Denied because object protected by object lock.');
  if (object.legalHold === true) throw locked;
  if (object.retention === undefined || object.retention.untilMs <= exchange.now().getTime()) return;
  if (object.retention.mode === 'COMPLIANCE' || !bypasses(exchange)) throw locked;
}

function bypasses(exchange: Exchange): boolean {
  return header(exchange, 'x-amz-bypass-governance-retention') === 'true';
}

export const getObjectRetention: Operation = (exchange) => {
  const object = versionOf(exchange);
  if (object.retention === undefined) throw new S3Error('NoSuchObjectLockConfiguration');
  const { mode, untilMs } = object.retention;
  const children = [element('Mode', mode), element('RetainUntilDate', new Date(untilMs).toISOString())];
  return { body: document('Retention', children) };
};

/** A date may be moved out by anybody; earlier, or to a weaker mode, only under GOVERNANCE and with the bypass. */
export const putObjectRetention: Operation = async (exchange) => {
  const body = await exchange.xml();
  const object = versionOf(exchange);
  const wanted = {
    mode: modeOf(childText(body, 'Mode')),
    untilMs: futureOf(childText(body, 'RetainUntilDate'), exchange.now()),
  };
  const held = object.retention;
  if (held !== undefined && held.untilMs > exchange.now().getTime()) {
    const weaker = wanted.untilMs < held.untilMs || (held.mode === 'COMPLIANCE' && wanted.mode !== 'COMPLIANCE');
    if (weaker && (held.mode === 'COMPLIANCE' || !bypasses(exchange))) throw new S3Error('AccessDenied');
  }
  await bucketOf(exchange).update(object, { ...object, retention: wanted });
  return {};
};

export const getObjectLegalHold: Operation = (exchange) => {
  const object = versionOf(exchange);
  if (object.legalHold === undefined) throw new S3Error('NoSuchObjectLockConfiguration');
  return { body: document('LegalHold', [element('Status', object.legalHold ? 'ON' : 'OFF')]) };
};

export const putObjectLegalHold: Operation = async (exchange) => {
  const status = childText(await exchange.xml(), 'Status');
  const object = versionOf(exchange);
  await bucketOf(exchange).update(object, { ...object, legalHold: status === 'ON' });
  return {};
};

function versionOf(exchange: Exchange): ObjectRecord {
  const bucket = bucketOf(exchange);
  requireLock(bucket.record);
  return bucket.find(exchange.key, exchange.query.get('versionId') ?? undefined);
}

export const getObjectLockConfiguration: Operation = (exchange) => {
  const { record } = bucketOf(exchange);
  if (!record.objectLock) throw new S3Error('ObjectLockConfigurationNotFoundError');
  const { defaultRetention } = record;
  const children = [element('ObjectLockEnabled', 'Enabled')];
  if (defaultRetention !== undefined) {
    const { mode, days } = defaultRetention;
    const retention = element('DefaultRetention', [element('Mode', mode), element('Days', days)]);
    children.push(element('Rule', [retention]));
  }
  return { body: document('ObjectLockConfiguration', children) };
};

export const putObjectLockConfiguration: Operation = async (exchange) => {
  const body = await exchange.xml();
  const bucket = bucketOf(exchange);
  if (bucket.record.versioning !== 'Enabled') throw new S3Error('InvalidRequest', 'Versioning must be enabled first.');
  const retention = body.children
    .find(({ name }) => name === 'Rule')
    ?.children.find(({ name }) => name === 'DefaultRetention');
  const defaultRetention =
    retention === undefined
      ? undefined
      : {
          mode: modeOf(childText(retention, 'Mode')),
          days: Number(childText(retention, 'Days') ?? Number(childText(retention, 'Years')) * 365),
        };
  await bucket.change({ ...bucket.record, objectLock: true, defaultRetention });
  return {};
};
