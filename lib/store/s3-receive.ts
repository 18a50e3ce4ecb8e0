/** The body of an answer, whole or not at all. */

import { Readable } from 'node:stream';

/** A body ended before, or after, the length its header promised. */
export class BodyCutShort extends Error {
  override readonly name = 'BodyCutShort';
}

/** Reads all of `body`; rejects when the connection breaks or the length is not the promised one. */
export async function receive(body: unknown, promisedBytes: number | undefined): Promise<Buffer> {
  if (!(body instanceof Readable)) throw new BodyCutShort('the answer has no body');
  const chunks: Buffer[] = [];
  let receivedBytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    receivedBytes += chunk.length;
  }
  if (promisedBytes !== undefined && receivedBytes !== promisedBytes) {
    throw new BodyCutShort(`${receivedBytes} of ${promisedBytes} bytes arrived`);
  }
  return Buffer.concat(chunks, receivedBytes);
}
