/** The host's HTTP/1.1 server: one connection, requests one after another. */

import type { Socket } from 'node:net';
import { ByteReader, MarkNotFound } from './byte-reader.ts';
import { send } from './send.ts';

/** The request line and all header fields together; a long cookie or URL is enough to exceed it. */
export const MAX_HEADER_BYTES = 1024;

export interface HttpRequest {
  readonly verb: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Path and query as they came. */
  readonly target: string;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: ByteReader;
  readonly socket: Socket;
  /** Where the client connected to. */
  readonly localAddress: string;
}

/** After an exchange the connection is either ready for the next request or done. */
export type Outcome = 'keep' | 'close';
export type RequestHandler = (request: HttpRequest) => Promise<Outcome>;

export interface HeaderTimeouts {
  readonly headerReadMs: number;
  readonly firstHeaderTotalMs: number;
}

export async function serveHttp(socket: Socket, handle: RequestHandler, timeouts: HeaderTimeouts): Promise<void> {
  const reader = new ByteReader(socket);
  // Only the first request of a connection must arrive in time; an idle kept connection may stay for ever.
  const total = setTimeout(() => socket.destroy(), timeouts.firstHeaderTotalMs);
  socket.setTimeout(timeouts.headerReadMs, () => socket.destroy());
  try {
    for (let outcome: Outcome = 'keep'; outcome === 'keep'; ) {
      const request = await readRequest(socket, reader);
      clearTimeout(total);
      socket.setTimeout(0);
      if (request === undefined) break;
      outcome = request === 'refused' ? 'close' : await handle(request);
    }
  } finally {
    clearTimeout(total);
    socket.end();
  }
}

async function readRequest(socket: Socket, body: ByteReader): Promise<HttpRequest | 'refused' | undefined> {
  let block: Buffer | undefined;
  try {
    block = await body.through('\r\n\r\n', MAX_HEADER_BYTES);
  } catch (error) {
    if (!(error instanceof MarkNotFound)) throw error;
    await respond(socket, { status: '431 Request Header Fields Too Large', body: '', close: true });
    return 'refused';
  }
  if (block === undefined) return undefined;
  const [requestLine = '', ...lines] = block.toString('latin1').trimEnd().split('\r\n');
  const [verb = '', target = '', version] = requestLine.split(' ');
  if (version !== 'HTTP/1.1' && version !== 'HTTP/1.0') {
    await respond(socket, { status: '400 Bad Request', body: '', close: true });
    return 'refused';
  }
  const headers = new Map(lines.map(readField));
  if (version === 'HTTP/1.0' && !headers.has('connection')) headers.set('connection', 'close');
  const { pathname, searchParams } = new URL(target, 'https://host');
  const localAddress = socket.localAddress ?? '';
  return { verb, path: pathname, query: searchParams, target, headers, body, socket, localAddress };
}

function readField(line: string): [name: string, value: string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
}

export interface HttpResponse {
  readonly status: string;
  readonly headers?: readonly string[];
  readonly body: string;
  readonly close: boolean;
}

export async function respond(socket: Socket, { status, headers, body, close }: HttpResponse): Promise<Outcome> {
  const payload = Buffer.from(body);
  const lines = [
    `HTTP/1.1 ${status}`,
    `connection: ${close ? 'close' : 'keep-alive'}`,
    'cache-control: no-cache, no-store',
    `content-length: ${payload.length}`,
    ...(headers ?? []),
  ];
  await send(socket, Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), payload]));
  return close ? 'close' : 'keep';
}

/** Errors outside the RPC layer are HTML pages with the reason in them, and end the connection. */
export function htmlError(socket: Socket, status: string, reason: string): Promise<Outcome> {
  const escaped = reason.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  const body = `<html><body><h1>HTTP ${status}</h1>${escaped}</body></html>`;
  return respond(socket, { status, headers: ['content-type: text/html'], body, close: true });
}
