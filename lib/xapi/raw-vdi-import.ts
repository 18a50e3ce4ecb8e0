/**
 * PUT /import_raw_vdi with `chunked`: pieces of a disk at their offsets, everything else left as it is.
 *
 * ```
 *  { u64 offset | u32 length | data } ...  then twelve zero bytes           (little-endian)
 * ```
 *
 * The host answers 200 before it has read a byte of the body; how the transfer ended only its task tells.
 */

import type { ClientRequest, IncomingMessage } from 'node:http';
import { request } from 'node:https';
import type { Bytes } from '#lib/units.ts';
import { AnswerLost, HostUnreachable, UnexpectedReply } from './failures.ts';
import { hostUrl, PinnedAgent, type XapiHost } from './pinned-agent.ts';
import type { XapiSession } from './session.ts';
import type { TaskRef, VdiRef } from './wire-types.ts';

const CHUNK_HEADER_BYTES = 12;
const CONNECT_DEADLINE_MS = 10_000;
/** The host attaches the disk before it answers, which takes seconds; then 64 MiB at 1 MiB/s is the slowest we wait for. */
const TRANSFER_DEADLINE_MS = 180_000;

export interface DiskChunk {
  readonly offsetBytes: Bytes;
  readonly data: Buffer;
}

export interface RawVdiImport {
  readonly session: Pick<XapiSession, 'sessionReference'>;
  readonly vdi: VdiRef;
  /** Made for this transfer; look at it afterwards, also when this throws. */
  readonly task: TaskRef;
  readonly chunks: readonly DiskChunk[];
}

/** Resolves when the host has taken the stream and hung up. The same chunks may be sent again. */
export async function importRawVdi(host: XapiHost, transfer: RawVdiImport, signal?: AbortSignal): Promise<void> {
  const url = hostUrl(host);
  const agent = new PinnedAgent(host, CONNECT_DEADLINE_MS);
  const deadline = AbortSignal.timeout(TRANSFER_DEADLINE_MS);
  const ends = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
  const bodyBytes = transfer.chunks.reduce(
    (sum, { data }) => sum + CHUNK_HEADER_BYTES + data.length,
    CHUNK_HEADER_BYTES,
  );
  const outgoing = request(url, {
    method: 'PUT',
    path: `/import_raw_vdi?${queryOf(transfer)}`,
    agent,
    signal: ends,
    headers: { 'Content-Length': bodyBytes, 'User-Agent': 'blockferry' },
  });
  const { promise: closed, resolve: onClose } = Promise.withResolvers<void>();
  outgoing.once('close', onClose);
  try {
    // Nothing of the body may go to a host that only says where the disk's storage is.
    outgoing.flushHeaders();
    const response = await answered(outgoing);
    if (response.statusCode !== 200) throw refusal(response, url.host);
    response.resume();
    await sendChunks(outgoing, transfer.chunks, closed);
    // The end of the stream is the end of the connection, which is the host's to close.
    await closed;
    ends.throwIfAborted();
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof UnexpectedReply || cause instanceof HostUnreachable) throw cause;
    throw new AnswerLost(`Sending ${bodyBytes} bytes to /import_raw_vdi of ${url.host} broke off.`, { cause });
  } finally {
    outgoing.destroy();
    agent.destroy();
  }
}

function queryOf({ session, vdi, task }: RawVdiImport): string {
  return new URLSearchParams({
    session_id: session.sessionReference.reveal(),
    vdi,
    task_id: task,
    chunked: 'true',
  }).toString();
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

/** A redirection names another host of the pool, whose certificate nobody pinned: it is not followed. */
function refusal(response: IncomingMessage, host: string): UnexpectedReply {
  const { statusCode, headers } = response;
  const other = URL.parse(headers.location ?? '')?.host;
  response.destroy();
  return new UnexpectedReply(
    statusCode === 302 && other !== undefined
      ? `The storage is attached to ${other} and not to ${host}; choose an SR that ${host} reaches.`
      : `/import_raw_vdi of ${host} was answered with the HTTP status ${statusCode}.`,
  );
}

async function sendChunks(outgoing: ClientRequest, chunks: readonly DiskChunk[], closed: Promise<void>): Promise<void> {
  for (const { offsetBytes, data } of chunks) {
    outgoing.write(chunkHeader(offsetBytes, data.length));
    // A connection that breaks between two writes never drains.
    if (!outgoing.write(data)) await Promise.race([drained(outgoing), closed]);
    if (outgoing.destroyed) throw new Error('the host closed the connection in the middle of the stream');
  }
  outgoing.end(Buffer.alloc(CHUNK_HEADER_BYTES));
}

function drained(outgoing: ClientRequest): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  outgoing.once('drain', resolve);
  return promise;
}

function chunkHeader(offsetBytes: Bytes, lengthBytes: Bytes): Buffer {
  const header = Buffer.alloc(CHUNK_HEADER_BYTES);
  header.writeBigUInt64LE(BigInt(offsetBytes), 0);
  header.writeUInt32LE(lengthBytes, 8);
  return header;
}
