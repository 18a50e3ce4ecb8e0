/**
 * PUT /import_raw_vdi with `chunked`: pieces of a disk at their offsets, everything else left as it is.
 *
 * ```
 *  { u64 offset | u32 length | data } ...  then twelve zero bytes           (little-endian)
 * ```
 */

import type { Bytes } from '#lib/units.ts';
import type { XapiHost } from './pinned-agent.ts';
import { putStream, type StreamPut } from './stream-put.ts';
import type { VdiRef } from './wire-types.ts';

const CHUNK_HEADER_BYTES = 12;

export interface DiskChunk {
  readonly offsetBytes: Bytes;
  readonly data: Buffer;
}

export type RawVdiImport = Pick<StreamPut, 'session' | 'task'> & {
  readonly vdi: VdiRef;
  readonly chunks: readonly DiskChunk[];
};

/** As putStream. The same chunks may be sent again. */
export function importRawVdi(host: XapiHost, transfer: RawVdiImport, signal?: AbortSignal): Promise<void> {
  const { session, task, vdi, chunks } = transfer;
  const body = chunks.flatMap(({ offsetBytes, data }) => [chunkHeader(offsetBytes, data.length), data]);
  body.push(Buffer.alloc(CHUNK_HEADER_BYTES));
  const query = { vdi, chunked: 'true' };
  return putStream(host, { session, task, path: '/import_raw_vdi', query, body }, signal);
}

function chunkHeader(offsetBytes: Bytes, lengthBytes: Bytes): Buffer {
  const header = Buffer.alloc(CHUNK_HEADER_BYTES);
  header.writeBigUInt64LE(BigInt(offsetBytes), 0);
  header.writeUInt32LE(lengthBytes, 8);
  return header;
}
