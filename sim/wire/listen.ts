/** Starts a server and says where it listens. */

import type { Server } from 'node:net';

/** Rejects if the port is taken; port 0 takes a free one, and the answer is the one taken. */
export function listenOn(server: Server, at: { host: string; port: number; backlog?: number }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(at, () => {
      server.off('error', reject);
      const address = server.address();
      if (address === null || typeof address === 'string') reject(new Error('the server has no TCP address'));
      else resolve(address.port);
    });
  });
}
