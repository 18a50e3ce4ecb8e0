/**
 * PUT to a handler that takes a stream. The host answers 200 before it has read a byte of the body and hangs up at the
 * end; how the transfer ended only its task tells.
 */

import type { ClientRequest, IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { AnswerLost, HostUnreachable, TransferRedirected, UnexpectedReply } from './failures.ts';
import { hostUrl, PinnedAgent, type XapiHost } from './pinned-agent.ts';
import type { XapiSession } from './session.ts';
import type { TaskRef } from './wire-types.ts';

const CONNECT_DEADLINE_MS = 10_000;
/** The host attaches the disk before it answers, which takes seconds; then 64 MiB at 1 MiB/s is the slowest we wait for. */
const TRANSFER_DEADLINE_MS = 180_000;

export interface StreamPut {
  readonly session: Pick<XapiSession, 'sessionReference'>;
  /** Made for this transfer; look at it afterwards, also when this throws. */
  readonly task: TaskRef;
  /** Of the handler, with the slash. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body: readonly Buffer[];
}

/**
 * Resolves when the host has taken the stream and hung up. Throws TransferRedirected before anything of the body was
 * sent, and AnswerLost when the stream broke.
 */
export async function putStream(host: XapiHost, put: StreamPut, signal?: AbortSignal): Promise<void> {
  const url = hostUrl(host);
  const agent = new PinnedAgent(host, CONNECT_DEADLINE_MS);
  const deadline = AbortSignal.timeout(TRANSFER_DEADLINE_MS);
  const ends = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
  const bodyBytes = put.body.reduce((sum, piece) => sum + piece.length, 0);
  const outgoing = request(url, {
    method: 'PUT',
    path: `${put.path}?${new URLSearchParams({ task_id: put.task, ...put.query })}`,
    agent,
    signal: ends,
    headers: {
      'Content-Length': bodyBytes,
      // As a cookie the session is in no address, neither in a log nor in a redirection.
      Cookie: `session_id=${put.session.sessionReference.reveal()}`,
      'User-Agent': 'blockferry',
    },
  });
  const { promise: closed, resolve: onClose } = Promise.withResolvers<void>();
  outgoing.once('close', onClose);
  try {
    // Nothing of the body may go to a host that only says where the disk's storage is.
    outgoing.flushHeaders();
    const response = await answered(outgoing);
    if (response.statusCode !== 200) throw refusal(response, { host: url.host, path: put.path });
    response.resume();
    await send(outgoing, put.body, closed);
    // The end of the stream is the end of the connection, which is the host's to close.
    await closed;
    ends.throwIfAborted();
  } catch (cause) {
    signal?.throwIfAborted();
    const isKnown =
      cause instanceof UnexpectedReply || cause instanceof HostUnreachable || cause instanceof TransferRedirected;
    if (isKnown) throw cause;
    throw new AnswerLost(`Sending ${bodyBytes} bytes to ${put.path} of ${url.host} broke off.`, { cause });
  } finally {
    outgoing.destroy();
    agent.destroy();
  }
}

async function answered(outgoing: ClientRequest): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  outgoing.once('response', resolve);
  outgoing.on('error', reject);
  const response = await promise;
  // What breaks from now on shows in the writes and in the task.
  response.on('error', () => response.destroy());
  return response;
}

function refusal(response: IncomingMessage, { host, path }: { host: string; path: string }): Error {
  const { statusCode, headers } = response;
  const other = URL.parse(headers.location ?? '')?.hostname;
  response.destroy();
  if (statusCode === 302 && other !== undefined) {
    return new TransferRedirected(`The storage is attached to ${other} and not to ${host}.`, other);
  }
  return new UnexpectedReply(`${path} of ${host} was answered with the HTTP status ${statusCode}.`);
}

async function send(outgoing: ClientRequest, body: readonly Buffer[], closed: Promise<void>): Promise<void> {
  for (const piece of body) {
    // A connection that breaks between two writes never drains.
    if (!outgoing.write(piece)) await Promise.race([drained(outgoing), closed]);
    if (outgoing.destroyed) throw new Error('the host closed the connection in the middle of the stream');
  }
  outgoing.end();
}

function drained(outgoing: ClientRequest): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  outgoing.once('drain', resolve);
  return promise;
}
