/** An HTTP proxy in front of an S3 server that lets one request go wrong, in a way that S3 or the network has. */

import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { StoreFault, StoreOperation } from '../fakes/store-faults.ts';

/** Longer than any request to a server on this machine takes that is not held up. */
const SLOW_MS = 400;

interface S3FaultProxy extends AsyncDisposable {
  readonly endpoint: string;
  /** Times that a fault struck. */
  readonly struck: number;
  /** The next request of the operation goes wrong so. `tear` drops the upload of a Complete before it arrives. */
  strikeOnce(
    fault: StoreFault,
    where: { operation: StoreOperation; tear?: (upload: { key: string; uploadId: string }) => Promise<void> },
  ): void;
}

type Strike = { readonly fault: StoreFault } & Parameters<S3FaultProxy['strikeOnce']>[1];

export async function startS3FaultProxy(target: { port: number }): Promise<S3FaultProxy> {
  let strike: Strike | undefined;
  let struck = 0;
  const server = createServer((incoming, answer) => {
    const now = strike !== undefined && operationOf(incoming) === strike.operation ? strike : undefined;
    if (now !== undefined) {
      strike = undefined;
      struck += 1;
    }
    void pass({ incoming, answer, port: target.port }, now).catch(() => answer.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy is not listening');
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    get struck() {
      return struck;
    },
    strikeOnce: (fault, where) => {
      strike = { fault, ...where };
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What the request is in the words of the port; requests of no interest here are none of these. */
function operationOf({ method, url = '', headers }: IncomingMessage): StoreOperation | undefined {
  const query = new URL(url, 'http://localhost').searchParams;
  const [uploadId, part] = [query.has('uploadId'), query.has('partNumber')];
  if (method === 'POST') return uploadId ? 'completeMultipartUpload' : 'createMultipartUpload';
  if (method === 'DELETE') return uploadId ? 'abortMultipartUpload' : 'delete';
  if (method === 'HEAD') return 'head';
  if (method === 'GET') return query.has('list-type') ? 'list' : query.has('uploads') ? 'listMultipartUploads' : 'get';
  if (method !== 'PUT') return undefined;
  if (query.has('retention')) return 'extendLock';
  if (part) return 'uploadPart';
  return headers['if-none-match'] === undefined ? 'put' : 'putIfAbsent';
}

interface Passing {
  readonly incoming: IncomingMessage;
  readonly answer: ServerResponse;
  readonly port: number;
}

async function pass({ incoming, answer, port }: Passing, strike: Strike | undefined): Promise<void> {
  const body = Buffer.concat(await Array.fromAsync(incoming));
  switch (strike?.fault) {
    case 'unavailable':
      return refuse(answer, { status: 503, code: 'SlowDown' });
    case 'conflict':
      return refuse(answer, { status: 409, code: 'ConditionalRequestConflict' });
    case 'slow':
      await delay(SLOW_MS);
      break;
    case 'torn-upload':
      await strike.tear?.(uploadOf(incoming));
      break;
    case 'lost-answer':
    case undefined:
  }
  const { method, url: path, headers } = incoming;
  // Nobody may reuse the connection whose answer got lost.
  const onward = request({ host: '127.0.0.1', port, method, path, headers, agent: false });
  onward.end(body);
  const [reply] = (await once(onward, 'response')) as [IncomingMessage];
  const content = Buffer.concat(await Array.fromAsync(reply));
  if (strike?.fault === 'lost-answer') {
    answer.destroy();
    return;
  }
  const { 'transfer-encoding': _, ...kept } = reply.headers;
  const length = method === 'HEAD' ? {} : { 'content-length': content.length };
  answer.writeHead(reply.statusCode ?? 500, { ...kept, ...length });
  answer.end(content);
}

function uploadOf({ url = '' }: IncomingMessage): { key: string; uploadId: string } {
  const { pathname, searchParams } = new URL(url, 'http://localhost');
  return {
    key: decodeURIComponent(pathname).split('/').slice(2).join('/'),
    uploadId: searchParams.get('uploadId') ?? '',
  };
}

function refuse(answer: ServerResponse, { status, code }: { status: number; code: string }): void {
  const content = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>on purpose</Message></Error>`;
  answer.writeHead(status, { 'content-type': 'application/xml', 'content-length': content.length });
  answer.end(answer.req.method === 'HEAD' ? undefined : content);
}
