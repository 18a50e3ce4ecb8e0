/** From an HTTP request to its answer: who asks, for what, and how it went. */

import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { finished, pipeline } from 'node:stream/promises';
import type { Counters } from './counters.ts';
import type { Exchange, Reply } from './exchange.ts';
import { routeOf } from './operations.ts';
import { Payload, type PayloadNeeds } from './payload.ts';
import { S3Error } from './s3-error.ts';
import { type Signed, type Verifier, verify } from './signature.ts';
import type { Storage } from './storage.ts';
import { decodedOrNothing } from './uri.ts';
import { element, parseXml } from './xml.ts';

/** A Complete of 10,000 parts with SHA-256 checksums has 2.5 MB. */
const MAX_XML_BYTES = 8 * 1024 * 1024;
/** S3's largest body. */
const MAX_BODY_BYTES = 5 * 1024 ** 3;

export interface Answering {
  readonly storage: Storage;
  readonly region: string;
  readonly owner: string;
  readonly counters: Counters;
  readonly verifier: Verifier;
}

/** The listener for an HTTP server. */
export function answering(context: Answering): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const asked = new AskedRequest(request);
    answer(context, asked, response).catch(() => {
      // The client is gone, or went in the middle of its body: there is nobody to tell.
      response.destroy();
    });
  };
}

/** A request's address, and the body that comes with it. */
class AskedRequest {
  readonly message: IncomingMessage;
  readonly rawPath: string;
  readonly query: URLSearchParams;
  readonly bucketName: string;
  readonly key: string;
  #payload: Payload | undefined;

  constructor(message: IncomingMessage) {
    this.message = message;
    const target = message.url ?? '/';
    const mark = target.indexOf('?');
    this.rawPath = mark === -1 ? target : target.slice(0, mark);
    // A plus sign in a query of S3 is a plus sign, which URLSearchParams would read as a space.
    this.query = new URLSearchParams(mark === -1 ? '' : target.slice(mark + 1).replaceAll('+', '%2B'));
    // A path that is no UTF-8 names nothing.
    const path = decodedOrNothing(this.rawPath)?.slice(1) ?? '';
    const slash = path.indexOf('/');
    this.bucketName = slash === -1 ? path : path.slice(0, slash);
    this.key = slash === -1 ? '' : path.slice(slash + 1);
  }

  get method(): string {
    return this.message.method ?? '';
  }

  get headers(): IncomingMessage['headers'] {
    return this.message.headers;
  }

  /** A body that was refused by its headers is on its way all the same: its sender does not wait for a word to send it. */
  get bytesIn(): number {
    return this.#payload?.bytes ?? Number(this.headers['x-amz-decoded-content-length'] ?? this.#declaredBytes);
  }

  get #declaredBytes(): number {
    return Number(this.headers['content-length'] ?? 0);
  }

  payload(signed: Signed, needs: PayloadNeeds): Payload {
    if (this.#declaredBytes > MAX_BODY_BYTES) throw new S3Error('EntityTooLarge');
    // A body that is refused in the middle must not take the connection with it: the refusal goes over it.
    const body = this.message.iterator({ destroyOnReturn: false });
    this.#payload = new Payload({ body, headers: this.headers, signed }, needs);
    return this.#payload;
  }
}

async function answer(context: Answering, asked: AskedRequest, response: ServerResponse): Promise<void> {
  const requestId = randomBytes(8).toString('hex').toUpperCase();
  const hasHeader = (name: string) => asked.headers[name] !== undefined;
  const { method, bucketName, key, query } = asked;
  const route = routeOf({ method, bucketName, key, query, hasHeader });
  response.setHeader('x-amz-request-id', requestId);
  // Of the server's own clock, as everything else it says: from it clients learn how far theirs is off.
  response.setHeader('date', context.verifier.now().toUTCString());
  response.setHeader('x-amz-id-2', randomBytes(24).toString('base64'));
  let reply: Reply;
  try {
    const signed = verify(asked, context.verifier);
    if (route === undefined) throw new S3Error('NotImplemented', `${method} of ${asked.message.url}`);
    const { owner } = context;
    if ((asked.headers['x-amz-expected-bucket-owner'] ?? owner) !== owner) throw new S3Error('AccessDenied');
    reply = await route.run(exchangeOf(context, asked, signed));
  } catch (error) {
    if (asked.message.errored !== null) throw error;
    reply = refusal(error, { requestId, isHead: method === 'HEAD' });
  }
  const operation = route?.name ?? 'Unknown';
  const seen = { operation, bucket: bucketName, key, status: reply.status ?? 200, bytesIn: asked.bytesIn };
  let bytesOut = 0;
  const sending = (bytes: number): void => {
    bytesOut += bytes;
    context.counters.sending(operation, bytes);
  };
  context.counters.answering(seen);
  try {
    await send(reply, { method, response, sending });
  } finally {
    context.counters.done({ ...seen, bytesOut });
  }
}

function exchangeOf(context: Answering, asked: AskedRequest, signed: Signed): Exchange {
  const { storage, region, owner } = context;
  const payload = (needs: PayloadNeeds) => asked.payload(signed, needs);
  return {
    ...{ storage, region, owner, payload },
    bucketName: asked.bucketName,
    key: asked.key,
    query: asked.query,
    headers: asked.headers,
    now: context.verifier.now,
    xml: async (needs = {}) => {
      const body = payload({ ...needs, etag: 'none' });
      const chunks: Buffer[] = [];
      for await (const chunk of body.chunks()) {
        if (body.bytes > MAX_XML_BYTES) throw new S3Error('MalformedXML');
        chunks.push(chunk);
      }
      return parseXml(Buffer.concat(chunks).toString());
    },
  };
}

function refusal(error: unknown, { requestId, isHead }: { requestId: string; isHead: boolean }): Reply {
  const known = error instanceof S3Error ? error : new S3Error('InternalError', String(error));
  const headers: Record<string, string> =
    known.fields['Region'] === undefined ? {} : { 'x-amz-bucket-region': known.fields['Region'] };
  if (isHead || known.status === 304) return { status: known.status, headers };
  const fields = Object.entries(known.fields).map(([name, value]) => element(name, value));
  const children = [element('Code', known.code), element('Message', known.message), ...fields];
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n${element('Error', [...children, element('RequestId', requestId)])}`;
  return { status: known.status, headers, body };
}

/** Sends the answer; resolves when the client has it. `sending` is told of body bytes before they go. */
async function send(
  reply: Reply,
  to: { method: string; response: ServerResponse; sending: (bytes: number) => void },
): Promise<void> {
  const { response, method, sending } = to;
  // What the operation did not want to read is read away, so that the connection stays usable and the client, which
  // reads the answer only after it has sent everything, does not meet a reset instead.
  response.req.resume();
  response.statusCode = reply.status ?? 200;
  for (const [name, value] of Object.entries(reply.headers ?? {})) response.setHeader(name, value);
  const { body } = reply;
  if (typeof body === 'object') {
    using held = body;
    if (method === 'HEAD') response.end();
    else await pipeline(told(held.chunks(), sending), response);
  } else {
    if (body !== undefined) response.setHeader('content-type', 'application/xml');
    sending(Buffer.byteLength(body ?? ''));
    response.end(body);
  }
  await finished(response);
}

async function* told(chunks: AsyncIterable<Buffer>, sending: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    sending(chunk.length);
    yield chunk;
  }
}
