/** An HTTP gateway in front of an S3 server that gives wrong answers, as told: what a proxy of bytes cannot do. */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type OutgoingHttpHeaders, request, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';

/** What happens to a request that the rule chooses. */
export type Misanswer =
  /** Refused with this status and code; the server never sees the request. */
  | { readonly kind: 'refused'; readonly status: number; readonly code: string }
  /** Carried out, and answered with 500. */
  | { readonly kind: 'done-but-500' }
  /** Carried out or not, answered with 200 and an error in the body, as S3 may for a Complete. */
  | { readonly kind: 'error-in-200'; readonly carriedOut: boolean }
  /** Half of the answer's body, then a reset. */
  | { readonly kind: 'reset-in-body' }
  /** One byte of the answer's body, or of the request's, is inverted on the way. */
  | { readonly kind: 'flip-answer' }
  | { readonly kind: 'flip-request' }
  /** The answer promises more bytes than any memory has. */
  | { readonly kind: 'endless-length' };

export interface GatewayRule {
  /** `PUT /bucket/key?query`, as a pattern. */
  readonly request: RegExp;
  readonly misanswer: Misanswer;
  /** How often; left out: each time. */
  readonly times?: number;
}

export interface S3FaultGateway extends AsyncDisposable {
  readonly endpoint: string;
  /** Requests that were misanswered so far. */
  readonly struck: number;
  /** Undefined heals. */
  set(rule: GatewayRule | undefined): void;
}

export async function startS3FaultGateway(target: string): Promise<S3FaultGateway> {
  const gateway = new Gateway(new URL(target));
  await gateway.listen();
  return gateway;
}

interface Answer {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Buffer;
}

class Gateway implements S3FaultGateway {
  struck = 0;
  readonly #target: URL;
  readonly #server = createServer((message, response) => {
    this.#pass(message, response).catch(() => response.destroy());
  });
  #rule: GatewayRule | undefined;
  #left = 0;

  constructor(target: URL) {
    this.#target = target;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  get endpoint(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the gateway is not listening');
    return `http://127.0.0.1:${address.port}`;
  }

  set(rule: GatewayRule | undefined): void {
    this.#rule = rule;
    this.#left = rule?.times ?? Number.POSITIVE_INFINITY;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #pass(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(message);
    const misanswer = this.#chosen(`${message.method} ${message.url}`);
    if (misanswer?.kind === 'refused') return send(response, errorAnswer(misanswer.status, misanswer.code));
    if (misanswer?.kind === 'error-in-200' && !misanswer.carriedOut)
      return send(response, errorAnswer(200, 'InternalError'));
    if (misanswer?.kind === 'flip-request') flip(body);
    const answer = await this.#ask(message, body);
    switch (misanswer?.kind) {
      case 'done-but-500':
        return send(response, errorAnswer(500, 'InternalError'));
      case 'error-in-200':
        return send(response, errorAnswer(200, 'InternalError'));
      case 'flip-answer':
        flip(answer.body);
        return send(response, answer);
      case 'reset-in-body':
        response.writeHead(answer.status, answer.headers);
        response.write(answer.body.subarray(0, answer.body.length >> 1));
        await new Promise((resolve) => setImmediate(resolve));
        response.socket?.resetAndDestroy();
        return;
      case 'endless-length':
        response.writeHead(answer.status, { ...answer.headers, 'content-length': 2 ** 52 });
        response.write(answer.body);
        return;
      default:
        send(response, answer);
    }
  }

  #chosen(asked: string): Misanswer | undefined {
    const { request: pattern, misanswer } = this.#rule ?? {};
    if (pattern === undefined || this.#left <= 0 || !pattern.test(asked)) return undefined;
    this.struck += 1;
    this.#left -= 1;
    return misanswer;
  }

  /** The host header stays the one that the client signed. */
  async #ask({ method, url, headers }: IncomingMessage, body: Buffer): Promise<Answer> {
    const { hostname, port } = this.#target;
    const outgoing = request({ host: hostname, port, method, path: url, headers });
    outgoing.end(body);
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
    return { status: answer.statusCode ?? 502, headers: answer.headers, body: await buffer(answer) };
  }
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, headers);
  response.end(body);
}

function flip(body: Buffer): void {
  if (body.length > 0) body[body.length >> 1]! ^= 0xff;
}

function errorAnswer(status: number, code: string): Answer {
  const body = Buffer.from(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>as told</Message></Error>`);
  return { status, headers: { 'content-type': 'application/xml', 'content-length': body.length }, body };
}
