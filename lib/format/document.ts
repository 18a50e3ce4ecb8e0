/**
 * How the vault's JSON documents are read and written: one schema each, features refused or ignored by one rule, every
 * byte covered by a digest.
 *
 * ```
 * {"version":1,"requires":[],...,"digest":"<SHA-256 of everything before the comma, 64 hexadecimal digits>"}\n
 * ```
 */

import { hash } from 'node:crypto';
import * as z from 'zod/mini';
import { parseDiskId, parsePackId, parseRunId, parseSha256, parseVmId } from '#lib/units.ts';
import { DamagedObject, UnsupportedFormat } from './failures.ts';

const FORMAT_VERSION = 1;
/** Required features that this version knows; a document that names another one is refused. */
const KNOWN_FEATURES: ReadonlySet<string> = new Set();

/** Stands at the head of every document of the vault. */
export const documentHead = {
  version: z.literal(FORMAT_VERSION),
  /** Features without which the document must not be used. */
  requires: z.array(z.string()),
};

/** The head that this version writes. */
export const HEAD = { version: FORMAT_VERSION, requires: [] } as const;

const id = <T>(parse: (text: string) => T) => z.pipe(z.string(), z.transform(parse));
export const diskIdField = id(parseDiskId);
export const vmIdField = id(parseVmId);
export const runIdField = id(parseRunId);
export const packIdField = id(parsePackId);
export const sha256Field = id(parseSha256);
export const countField = z.number().check(z.int(), z.nonnegative());
export const timeField = z.pipe(
  z.iso.datetime(),
  z.transform((text: string) => new Date(text)),
);

const headOnly = z.object({ version: z.number(), requires: z.optional(z.array(z.string())) });

/**
 * Parses a stored document; `where` is its key. Unknown fields are ignored, unknown required features refused; a document
 * that does not fit its digest throws DamagedObject.
 */
export function parseDocument<T extends z.ZodMiniType>(schema: T, bytes: Uint8Array, where: string): z.output<T> {
  const json = parseJson(bytes, where);
  checkDigest(bytes, where);
  const head = headOnly.safeParse(json);
  const unknown = head.data?.requires?.filter((feature) => !KNOWN_FEATURES.has(feature)) ?? [];
  if (head.success && (head.data.version !== FORMAT_VERSION || unknown.length > 0)) {
    throw new UnsupportedFormat(
      `${where} has format version ${head.data.version} and needs [${unknown.join(', ')}]; this Blockferry reads version ${FORMAT_VERSION}: use a newer one`,
    );
  }
  try {
    return schema.parse(json);
  } catch (cause) {
    throw new DamagedObject(`${where} is not what it should be`, { cause });
  }
}

function parseJson(bytes: Uint8Array, where: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new DamagedObject(`${where} is not JSON`, { cause });
  }
}

const DIGEST_FIELD = ',"digest":"';
const DOCUMENT_END = '"}\n';
const DIGEST_HEX_DIGITS = 64;
const SEAL_BYTES = DIGEST_FIELD.length + DIGEST_HEX_DIGITS + DOCUMENT_END.length;

const sealOf = (body: Uint8Array) => `${DIGEST_FIELD}${hash('sha256', body, 'hex')}${DOCUMENT_END}`;

function checkDigest(bytes: Uint8Array, where: string): void {
  const end = Math.max(0, bytes.length - SEAL_BYTES);
  if (Buffer.from(bytes.subarray(end)).toString('latin1') !== sealOf(bytes.subarray(0, end))) {
    throw new DamagedObject(`${where} does not fit the digest at its end: it was changed or cut after it was written`);
  }
}

/** The bytes of a document as stored: JSON in the order of its fields, on one line that ends with digest and newline. */
export function encodeDocument(document: object): Buffer {
  const body = Buffer.from(JSON.stringify(document).slice(0, -1));
  return Buffer.concat([body, Buffer.from(sealOf(body), 'latin1')]);
}
