/** Writes to a socket that may have lost its other end. */

import type { Socket } from 'node:net';

/** Resolves when the bytes are handed over; a vanished client is no error, the next read or write will tell. */
export function send(socket: Socket, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed || socket.writableEnded) resolve();
    else socket.write(bytes, () => resolve());
  });
}
