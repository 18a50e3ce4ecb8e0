/** One call of the API as one HTTPS POST: deadlines, limits, and nothing parsed that is not an answer. */

import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { Failure } from '#lib/failure.ts';
import type { Secret } from '#lib/secret.ts';
import { AnswerLost, AnswerOverdue, HostUnreachable, UnexpectedReply } from './failures.ts';
import { hostName, hostUrl, PinnedAgent, type XapiHost } from './pinned-agent.ts';
import { Turns } from './turns.ts';
import { decodeReply, encodeCall, type XmlValue } from './xmlrpc-codec.ts';

export interface TransportLimits {
  /** For name lookup, TCP and TLS together. */
  readonly connectDeadlineMs: number;
  /** From the call to the last byte of its answer, including a new connection where one is needed. */
  readonly answerDeadlineMs: number;
  readonly replyBytes: number;
}

/**
 * The answer's deadline: a wrong password takes the host 5 s, a certificate of another host one forwarded call; 45 MB in
 * 90 s need 4 Mbit/s. The reply's limit holds the bitmap of 16 TiB as base64 (44.8 MB) and the records of about 8,000
 * VMs at 8 KB.
 */
export const XAPI_LIMITS: TransportLimits = {
  connectDeadlineMs: 10_000,
  answerDeadlineMs: 90_000,
  replyBytes: 67_108_864,
};

/**
 * One client needs few connections: it polls tasks one after another, and a host takes 800 from everybody together. The
 * agent's own `maxSockets` does not count connections that are still being verified, so the calls are counted instead.
 */
const MAX_CALLS_IN_FLIGHT = 4;

export interface RpcCall {
  readonly method: string;
  readonly params: readonly XmlValue[];
  /** What must not appear in a failure, should the host send it back. */
  readonly secrets: readonly Secret[];
  /** Instead of the limit that holds for all calls. */
  readonly answerDeadlineMs?: number | undefined;
}

/** Connections to one host. Deadlines are real time: they measure the silence of a socket. */
export class XapiTransport {
  readonly host: XapiHost;
  readonly #url: URL;
  readonly #agent: PinnedAgent;
  readonly #limits: TransportLimits;
  readonly #turns = new Turns(MAX_CALLS_IN_FLIGHT);

  constructor(host: XapiHost, limits: TransportLimits = XAPI_LIMITS) {
    this.host = host;
    this.#url = hostUrl(host);
    this.#agent = new PinnedAgent(host, limits.connectDeadlineMs);
    this.#limits = limits;
  }

  /** Name or address of the host, for messages. */
  get hostName(): string {
    return hostName(this.#url);
  }

  /** The value of the reply, unparsed beyond XML-RPC. Rejects with the signal's reason when that fires. */
  async call(call: RpcCall, signal?: AbortSignal): Promise<unknown> {
    const body = encodeCall(call.method, call.params);
    signal?.throwIfAborted();
    const deadlineMs = call.answerDeadlineMs ?? this.#limits.answerDeadlineMs;
    const overdue = AbortSignal.timeout(deadlineMs);
    const ends = signal === undefined ? overdue : AbortSignal.any([signal, overdue]);
    const exchange = new Exchange(call.method, this.#url.host);
    try {
      using _turn = await this.#turns.take(ends);
      const chunks = await this.#post(body, exchange, ends);
      return await decodeReply(chunks, call.secrets);
    } catch (error) {
      signal?.throwIfAborted();
      throw exchange.failure(error, overdue.aborted ? deadlineMs : null);
    }
  }

  /** Ends all connections, also those with a call under way. */
  close(): void {
    this.#agent.destroy();
  }

  async #post(body: Buffer, exchange: Exchange, signal: AbortSignal): Promise<Buffer[]> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const outgoing = request(this.#url, {
      method: 'POST',
      path: '/',
      agent: this.#agent,
      signal,
      // About 170 bytes in all; the host refuses more than 1024. It needs Content-Length and knows no chunked bodies.
      headers: { 'Content-Type': 'text/xml', 'Content-Length': body.length, 'User-Agent': 'blockferry' },
    });
    outgoing.once('socket', () => exchange.begin());
    outgoing.once('response', resolve);
    outgoing.on('error', reject);
    outgoing.end(body);
    const response = await promise;
    if (response.statusCode !== 200) {
      // The body may quote the call, with the password in it: it is not even read.
      response.destroy();
      throw new UnexpectedReply(
        `${exchange.method} on ${exchange.host} was answered with the HTTP status ${response.statusCode}.`,
      );
    }
    return await readBody(response, this.#limits.replyBytes);
  }
}

/** How far one call came, which decides whether it can have had an effect. */
class Exchange {
  readonly method: string;
  readonly host: string;
  #begun = false;

  constructor(method: string, host: string) {
    this.method = method;
    this.host = host;
  }

  /** A verified connection was assigned: from here on the host may have read the call. */
  begin(): void {
    this.#begun = true;
  }

  failure(error: unknown, overdueAfterMs: number | null): unknown {
    const call = `${this.method} on ${this.host}`;
    if (overdueAfterMs !== null) {
      return this.#begun
        ? new AnswerOverdue(`${call} was not answered within ${overdueAfterMs} ms; it may still run.`, { cause: error })
        : new HostUnreachable(`${call} got no connection within ${overdueAfterMs} ms.`, { cause: error });
    }
    if (error instanceof Failure || !(error instanceof Error)) return error;
    // Node hangs the received bytes on its error about broken HTTP, and the host may have quoted the password in them.
    if ('rawPacket' in error) {
      return new UnexpectedReply(`${call} was not answered in HTTP.`, { cause: new Error(error.message) });
    }
    return this.#begun
      ? new AnswerLost(`The connection broke during ${call}: ${error.message}.`, { cause: error })
      : new HostUnreachable(`${call} got no connection: ${error.message}.`, { cause: error });
  }
}

async function readBody(response: IncomingMessage, maxBytes: number): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    if (!Buffer.isBuffer(chunk)) continue;
    bytes += chunk.length;
    if (bytes > maxBytes) throw new UnexpectedReply(`The reply is larger than ${maxBytes} bytes.`);
    chunks.push(chunk);
  }
  return chunks;
}
