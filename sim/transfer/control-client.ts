/** Talks to the control calls of a running simulator. */

import { request } from 'node:https';

export interface ControlRequest {
  readonly url: string;
  readonly username: string;
  readonly password: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Answers the body of a 200; anything else is an error with the body in it. */
export function requestControl({ url, username, password, path, query, body }: ControlRequest): Promise<string> {
  const target = new URL(`${path}?${new URLSearchParams(query)}`, url);
  return new Promise((resolve, reject) => {
    const outgoing = request(
      target,
      {
        method: 'PUT',
        auth: `${username}:${password}`,
        headers: { 'content-length': body.length },
        // The simulator's certificate is made anew at every start and serves this machine only.
        rejectUnauthorized: false,
        agent: false,
      },
      (incoming) => {
        const pieces: Buffer[] = [];
        incoming.on('data', (piece: Buffer) => pieces.push(piece));
        incoming.on('error', reject);
        incoming.on('end', () => {
          const text = Buffer.concat(pieces).toString('utf8');
          if (incoming.statusCode === 200) resolve(text);
          else reject(new Error(`PUT ${path} was answered with ${incoming.statusCode}: ${text}`));
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
