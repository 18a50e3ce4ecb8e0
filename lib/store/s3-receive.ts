/** The body of an answer, whole or not at all. */

import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';

/** A body ended before, or after, the length its header promised. */
class BodyCutShort extends Error {
  override readonly name = 'BodyCutShort';
}

/**
 * Reads all of `body`; rejects when the connection breaks or the length is not the promised one. Pieces are copied to
 * their place as they come: gathered first, those of a large range live long enough to burden the garbage collector.
 */
export async function receive(body: unknown, promisedBytes: number): Promise<Buffer> {
  if (!(body instanceof Readable)) throw new BodyCutShort('the answer has no body');
  const received = Buffer.allocUnsafe(promisedBytes);
  let receivedBytes = 0;
  body.on('data', (piece: Buffer) => {
    piece.copy(received, receivedBytes);
    receivedBytes += piece.length;
  });
  await finished(body);
  if (receivedBytes !== promisedBytes) {
    throw new BodyCutShort(`${receivedBytes} of ${promisedBytes} bytes arrived`);
  }
  return received;
}
