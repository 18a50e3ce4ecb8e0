/** Reading an object, or a range of it. */

import { Readable } from 'node:stream';
import { GetObjectCommand, type GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { MIB } from '#lib/units.ts';
import { ObjectTooLarge, RangeNotSatisfiable, VaultCorruption } from './failures.ts';
import type { ByteRange } from './object-store.ts';
import { asking, type S3Connection } from './s3-client.ts';
import { type Asked, faultFacts } from './s3-failures.ts';
import { receive } from './s3-receive.ts';

/** The SDK retries until the headers of an answer are there; a body that breaks off afterwards is ours to fetch again. */
const BODY_ATTEMPTS = 4;

/** The largest object that is fetched in one piece is the bitmap of a disk of 16 TiB, 32 MiB; ranges have 8 MiB. */
const MAX_FETCH_BYTES = 256 * MIB;

/** The object's bytes, complete and with the checksum the store keeps, if it keeps one of the whole object. */
export async function fetchObject(
  s3: S3Connection,
  asked: Asked & { readonly key: string },
  range: ByteRange | undefined,
): Promise<Buffer> {
  for (let attempt = 1; ; attempt++) {
    const answer = await asking(asked, () => ask(s3, asked, range));
    const promisedBytes = answer.ContentLength ?? 0;
    if (promisedBytes > MAX_FETCH_BYTES) throw refused(answer, asked);
    try {
      const body = await receive(answer.Body, promisedBytes);
      if (range !== undefined && body.length !== range.end - range.start) throw beyond(asked, { range, answer });
      return body;
    } catch (error) {
      if (error instanceof RangeNotSatisfiable) throw error;
      if (attempt === BODY_ATTEMPTS || asked.signal?.aborted) throw await brokenBody(asked, error);
    }
  }
}

function ask(s3: S3Connection, asked: Asked & { readonly key: string }, range: ByteRange | undefined) {
  return s3.client.send(
    new GetObjectCommand({
      Bucket: s3.bucket,
      Key: asked.key,
      // HTTP counts the last byte in. The checksum S3 keeps is that of the whole object, so it cannot check a range.
      ...(range === undefined ? { ChecksumMode: 'ENABLED' } : { Range: `bytes=${range.start}-${range.end - 1}` }),
    }),
    { abortSignal: asked.signal },
  );
}

/** Says so before memory for it is taken; the connection cannot be used again while its body is unread. */
function refused({ Body, ContentLength }: GetObjectCommandOutput, asked: Asked): ObjectTooLarge {
  if (Body instanceof Readable) Body.destroy();
  return new ObjectTooLarge(
    `get of ${asked.key} in bucket ${asked.bucket} is answered with ${ContentLength} bytes; no object of a vault is fetched in pieces larger than ${MAX_FETCH_BYTES}: verify the vault`,
  );
}

/** S3 answers a range that only begins inside the object with what there is. */
function beyond(asked: Asked, got: { range: ByteRange; answer: GetObjectCommandOutput }): RangeNotSatisfiable {
  const { range, answer } = got;
  return new RangeNotSatisfiable(
    `get of bytes ${range.start} to ${range.end} of ${asked.key} in bucket ${asked.bucket}: the object has only ${answer.ContentRange ?? 'fewer bytes'}`,
  );
}

async function brokenBody(asked: Asked, error: unknown): Promise<unknown> {
  // The SDK checks the object's checksum while the body passes, and says so only in the message.
  if (faultFacts(error).words.startsWith('Checksum mismatch')) {
    return new VaultCorruption(
      `get of ${asked.key} in bucket ${asked.bucket}: the bytes that arrived do not have the object's checksum, ${BODY_ATTEMPTS} times`,
      { cause: error },
    );
  }
  return asking(asked, () => Promise.reject(error)).catch((failure: unknown) => failure);
}
