/**
 * A VM's records without the content of its disks, as a host exports and imports them: a tar archive of one file,
 * `ova.xml`, whose content lib/restore/vm-document.ts knows.
 */

import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import * as z from 'zod/mini';
import { AnswerLost, HostUnreachable, UnexpectedReply } from './failures.ts';
import { hostUrl, PinnedAgent, type XapiHost } from './pinned-agent.ts';
import type { XapiSession } from './session.ts';
import { putStream, type StreamPut } from './stream-put.ts';
import { type VmRef, vmRef } from './wire-types.ts';

const CONNECT_DEADLINE_MS = 10_000;
/** The host reads its database, which takes about a second. */
const EXPORT_DEADLINE_MS = 60_000;
/** A VM with many snapshots takes some hundreds of KiB; what is larger is something else. */
const MAX_METADATA_BYTES = 16_777_216;

/** Where a tar archive says that it is one. */
const TAR_MAGIC = { offset: 257, text: 'ustar' } as const;

/** The archive as the host sends it. Throws UnexpectedReply for anything else, also for one that was cut short. */
export async function exportVmMetadata(session: XapiSession, vm: VmRef, signal: AbortSignal): Promise<Buffer> {
  const { host } = session;
  const agent = new PinnedAgent(host, CONNECT_DEADLINE_MS);
  const ends = AbortSignal.any([signal, AbortSignal.timeout(EXPORT_DEADLINE_MS)]);
  try {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const outgoing = request(hostUrl(host), {
      path: `/export_metadata?ref=${vm}`,
      agent,
      signal: ends,
      // As a cookie the session is in no address.
      headers: { Cookie: `session_id=${session.sessionReference.reveal()}`, 'User-Agent': 'blockferry' },
    });
    outgoing.once('response', resolve);
    outgoing.on('error', reject);
    outgoing.end();
    return checkedArchive(await bodyOf(await promise));
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof HostUnreachable || error instanceof UnexpectedReply) throw error;
    throw new AnswerLost(`The export of the VM's metadata by ${hostUrl(host).host} broke off.`, { cause: error });
  } finally {
    agent.destroy();
  }
}

async function bodyOf(response: IncomingMessage): Promise<Buffer> {
  const { statusCode } = response;
  if (statusCode !== 200) {
    response.destroy();
    throw new UnexpectedReply(`/export_metadata was answered with the HTTP status ${statusCode}.`);
  }
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of response) {
    if (!Buffer.isBuffer(piece)) continue;
    bytes += piece.length;
    if (bytes > MAX_METADATA_BYTES)
      throw new UnexpectedReply(`The metadata is larger than ${MAX_METADATA_BYTES} bytes.`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** An error after the 200 arrives as text, and a broken export as a beginning: two empty blocks end a whole archive. */
function checkedArchive(archive: Buffer): Buffer {
  const { offset, text } = TAR_MAGIC;
  const isTar = archive.toString('latin1', offset, offset + text.length) === text;
  if (isTar && archive.length % 512 === 0 && archive.subarray(-1024).every((byte) => byte === 0)) return archive;
  throw new UnexpectedReply(`/export_metadata answered ${archive.length} bytes that are no whole tar archive.`);
}

/** What the task of importVmMetadata answers with: the VMs that were made. */
export const importedVms: z.core.$ZodType<VmRef[]> = z.array(vmRef);

export type VmMetadataImport = Pick<StreamPut, 'session' | 'task'> & {
  readonly archive: Buffer;
  /** `kept`: uuid and MAC addresses as in the archive, where a halted VM of that uuid would be replaced. */
  readonly identity: 'new' | 'kept';
};

/** As putStream. Not to be repeated: each import makes a VM. */
export function importVmMetadata(host: XapiHost, transfer: VmMetadataImport, signal?: AbortSignal): Promise<void> {
  const { session, task, archive, identity } = transfer;
  const query: Record<string, string> = identity === 'kept' ? { restore: 'true' } : {};
  return putStream(host, { session, task, path: '/import_metadata', query, body: [archive] }, signal);
}
