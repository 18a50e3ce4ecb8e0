/** Which parts of a disk were ever written: the host's VHD export is opened, read up to its block table, and closed. */

import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import type { DiskId } from '#lib/units.ts';
import { HostUnreachable, UnexpectedReply } from './failures.ts';
import { hostName, hostUrl, PinnedAgent, type XapiHost } from './pinned-agent.ts';
import type { XapiSession } from './session.ts';
import { readVhdTable, type VhdTable } from './vhd-table.ts';

/** Attaching the disk to the control domain takes seconds, minutes on a busy SR; then a table of 4 MiB has to come. */
const TABLE_DEADLINE_MS = 120_000;
const CONNECT_DEADLINE_MS = 10_000;

export interface AreaRequest {
  readonly vdi: DiskId;
  /** Hosts of the pool that may be sent to, each with its pin: the session goes there. */
  readonly hosts: readonly XapiHost[];
  readonly signal: AbortSignal;
}

/**
 * Throws UnexpectedReply when the host sends no VHD (also for a redirect to a host without a pin), HostUnreachable when
 * the connection breaks. The host detaches the disk from its control domain some seconds after the answer.
 */
export async function readAllocatedArea(session: XapiSession, area: AreaRequest): Promise<VhdTable> {
  const first = area.hosts.find((host) => hostName(hostUrl(host)) === session.hostName);
  if (first === undefined) throw new UnexpectedReply(`${session.hostName} is none of the pool's known hosts.`);
  const table = await exportStart(session, area, first);
  if (!('redirect' in table)) return table;
  const next = area.hosts.find((host) => hostName(hostUrl(host)) === table.redirect);
  if (next === undefined) {
    throw new UnexpectedReply(`The disk is exported by ${table.redirect}, which is not among the pool's known hosts.`);
  }
  const followed = await exportStart(session, area, next);
  if ('redirect' in followed) throw new UnexpectedReply(`${table.redirect} sends on to ${followed.redirect}.`);
  return followed;
}

type Answer = VhdTable | { readonly redirect: string };

async function exportStart(session: XapiSession, { vdi, signal }: AreaRequest, host: XapiHost): Promise<Answer> {
  const agent = new PinnedAgent(host, CONNECT_DEADLINE_MS);
  const ends = AbortSignal.any([signal, AbortSignal.timeout(TABLE_DEADLINE_MS)]);
  try {
    return await answerOf(await get(session, { host, agent, vdi, signal: ends }));
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof HostUnreachable || error instanceof UnexpectedReply) throw error;
    throw new HostUnreachable(`The export of ${vdi} by ${hostUrl(host).host} broke off.`, { cause: error });
  } finally {
    agent.destroy();
  }
}

function get(
  session: XapiSession,
  to: { host: XapiHost; agent: PinnedAgent; vdi: DiskId; signal: AbortSignal },
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const outgoing = request(hostUrl(to.host), {
    path: `/export_raw_vdi?vdi=${to.vdi}&format=vhd`,
    agent: to.agent,
    signal: to.signal,
    // As a cookie the session is in no address, neither in a log nor in a redirect.
    headers: { Cookie: `session_id=${session.sessionReference.reveal()}`, 'User-Agent': 'blockferry' },
  });
  outgoing.once('response', resolve);
  outgoing.on('error', reject);
  outgoing.end();
  return promise;
}

/** Reads just far enough; what the host had in flight behind the table is thrown away with the connection. */
async function answerOf(response: IncomingMessage): Promise<Answer> {
  const { statusCode, headers } = response;
  if (statusCode === 302) {
    response.destroy();
    const url = URL.parse(headers.location ?? '');
    if (url === null) throw new UnexpectedReply('The export was redirected to no address.');
    return { redirect: hostName(url) };
  }
  if (statusCode !== 200) {
    response.destroy();
    throw new UnexpectedReply(`The export was answered with the HTTP status ${statusCode}.`);
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  let needBytes = 1;
  for await (const chunk of response) {
    if (!Buffer.isBuffer(chunk)) continue;
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes < needBytes) continue;
    const table = readVhdTable(Buffer.concat(chunks));
    if (!('needBytes' in table)) return table;
    needBytes = table.needBytes;
  }
  throw new UnexpectedReply(`The export ended after ${bytes} bytes, before its block table was complete.`);
}
