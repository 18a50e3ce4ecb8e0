/**
 * The shapes of the NBD protocol as a server sends and takes them, in the spelling of the specification
 * (NetworkBlockDevice/nbd, doc/proto.md). All integers are big-endian. What a client needs too is in lib/nbd/wire.ts.
 */

import {
  IHAVEOPT,
  NBD_FLAG_FIXED_NEWSTYLE,
  NBD_FLAG_HAS_FLAGS,
  NBD_FLAG_READ_ONLY,
  NBD_MAX_STRING,
  NBD_REP_MAGIC,
  NBD_REQUEST_MAGIC,
  NBD_SIMPLE_REPLY_MAGIC,
  NBDMAGIC,
} from '#lib/nbd/wire.ts';

const NBD_STRUCTURED_REPLY_MAGIC = 0x668e33ef;

const NBD_FLAG_NO_ZEROES = 0x0002;
export const NBD_FLAG_C_NO_ZEROES = 0x00000002;

export const NBD_OPT = {
  EXPORT_NAME: 1,
  ABORT: 2,
  LIST: 3,
  STARTTLS: 5,
  INFO: 6,
  GO: 7,
  STRUCTURED_REPLY: 8,
  LIST_META_CONTEXT: 9,
  SET_META_CONTEXT: 10,
} as const;

export const NBD_REP = {
  ACK: 1,
  SERVER: 2,
  INFO: 3,
  META_CONTEXT: 4,
  ERR_UNSUP: 0x80000001,
  ERR_POLICY: 0x80000002,
  ERR_INVALID: 0x80000003,
  ERR_TLS_REQD: 0x80000005,
  ERR_UNKNOWN: 0x80000006,
  ERR_TOO_BIG: 0x80000009,
} as const;

const NBD_INFO_EXPORT = 0;
const NBD_INFO_NAME = 1;
const NBD_INFO_DESCRIPTION = 2;
const NBD_INFO_BLOCK_SIZE = 3;

const NBD_FLAG_SEND_DF = 0x0080;
const NBD_FLAG_CAN_MULTI_CONN = 0x0100;

export const NBD_CMD = { READ: 0, WRITE: 1, DISC: 2, FLUSH: 3, BLOCK_STATUS: 7 } as const;
export const NBD_CMD_FLAG_DF = 0x0004;
export const NBD_CMD_FLAG_REQ_ONE = 0x0008;

const NBD_REPLY_FLAG_DONE = 0x0001;
const NBD_REPLY_TYPE_OFFSET_DATA = 1;
const NBD_REPLY_TYPE_OFFSET_HOLE = 2;
const NBD_REPLY_TYPE_NONE = 0;
const NBD_REPLY_TYPE_BLOCK_STATUS = 5;
const NBD_REPLY_TYPE_ERROR = 0x8001;
const NBD_STATE_HOLE_ZERO = 0x0003;

/** The only metadata context there is, and the number by which its replies go. */
export const BASE_ALLOCATION = 'base:allocation';
const BASE_ALLOCATION_ID = 1;

/** Requests of this many bytes are served best: one frame's window. */
const PREFERRED_BLOCK_BYTES = 262_144;
/** The specification's own default for the largest request. */
export const MAX_REQUEST_BYTES = 33_554_432;
export const OPTION_HEADER_BYTES = 16;

/** A run of a disk's bytes that holds data, or reads as zeros. */
export interface ServedExtent {
  readonly bytes: number;
  readonly hole: boolean;
}

export function greeting(): Buffer {
  const bytes = Buffer.alloc(18);
  bytes.writeBigUInt64BE(NBDMAGIC, 0);
  bytes.writeBigUInt64BE(IHAVEOPT, 8);
  bytes.writeUInt16BE(NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES, 16);
  return bytes;
}

export function optionReply(option: number, type: number, data: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(20);
  head.writeBigUInt64BE(NBD_REP_MAGIC, 0);
  head.writeUInt32BE(option, 8);
  head.writeUInt32BE(type, 12);
  head.writeUInt32BE(data.length, 16);
  return Buffer.concat([head, data]);
}

/** A string with its length in front. */
export function counted(text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

export function metaContext(): Buffer {
  const id = Buffer.alloc(4);
  id.writeUInt32BE(BASE_ALLOCATION_ID);
  return Buffer.concat([id, Buffer.from(BASE_ALLOCATION)]);
}

export interface ExportFacts {
  readonly name: string;
  readonly description: string;
  readonly diskBytes: number;
}

/** NBD_FLAG_CAN_MULTI_CONN is honest because nobody can write. */
function transmissionFlags(structured: boolean): number {
  const always = NBD_FLAG_HAS_FLAGS | NBD_FLAG_READ_ONLY | NBD_FLAG_CAN_MULTI_CONN;
  return structured ? always | NBD_FLAG_SEND_DF : always;
}

/** The data of each NBD_REP_INFO: what is always told, then what the client asked for. */
export function exportInfos(disk: ExportFacts, client: { structured: boolean; wanted: readonly number[] }): Buffer[] {
  const info = (type: number, body: Buffer) => {
    const head = Buffer.alloc(2);
    head.writeUInt16BE(type);
    return Buffer.concat([head, body]);
  };
  const blocks = Buffer.alloc(12);
  blocks.writeUInt32BE(1, 0);
  blocks.writeUInt32BE(PREFERRED_BLOCK_BYTES, 4);
  blocks.writeUInt32BE(MAX_REQUEST_BYTES, 8);
  const infos = [
    info(NBD_INFO_EXPORT, sizeAndFlags(disk.diskBytes, client.structured)),
    info(NBD_INFO_BLOCK_SIZE, blocks),
  ];
  if (client.wanted.includes(NBD_INFO_NAME)) infos.push(info(NBD_INFO_NAME, Buffer.from(disk.name)));
  if (client.wanted.includes(NBD_INFO_DESCRIPTION)) {
    infos.push(info(NBD_INFO_DESCRIPTION, Buffer.from(disk.description)));
  }
  return infos;
}

export function sizeAndFlags(diskBytes: number, structured: boolean): Buffer {
  const bytes = Buffer.alloc(10);
  bytes.writeBigUInt64BE(BigInt(diskBytes), 0);
  bytes.writeUInt16BE(transmissionFlags(structured), 8);
  return bytes;
}

export interface NbdRequest {
  readonly flags: number;
  readonly type: number;
  readonly cookie: bigint;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/** Undefined when the bytes are not a request: the stream is out of step and cannot be saved. */
export function parseRequest(bytes: Buffer): NbdRequest | undefined {
  if (bytes.readUInt32BE(0) !== NBD_REQUEST_MAGIC) return undefined;
  return {
    flags: bytes.readUInt16BE(4),
    type: bytes.readUInt16BE(6),
    cookie: bytes.readBigUInt64BE(8),
    // Beyond 2^53 the number is not exact, but far behind the end of every disk it is refused all the same.
    offsetBytes: Number(bytes.readBigUInt64BE(16)),
    lengthBytes: bytes.readUInt32BE(24),
  };
}

export function simpleReply(cookie: bigint, error: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32BE(NBD_SIMPLE_REPLY_MAGIC, 0);
  bytes.writeUInt32BE(error, 4);
  bytes.writeBigUInt64BE(cookie, 8);
  return bytes;
}

interface Chunk {
  readonly cookie: bigint;
  readonly type: number;
  readonly done: boolean;
  readonly payloadBytes: number;
}

function chunkHead({ cookie, type, done, payloadBytes }: Chunk, fixed: Buffer): Buffer {
  const bytes = Buffer.alloc(20);
  bytes.writeUInt32BE(NBD_STRUCTURED_REPLY_MAGIC, 0);
  bytes.writeUInt16BE(done ? NBD_REPLY_FLAG_DONE : 0, 4);
  bytes.writeUInt16BE(type, 6);
  bytes.writeBigUInt64BE(cookie, 8);
  bytes.writeUInt32BE(payloadBytes, 16);
  return Buffer.concat([bytes, fixed]);
}

/** What goes in front of `lengthBytes` of data, or stands for as many zeros. */
export function readChunk(
  cookie: bigint,
  extent: ServedExtent & { readonly offsetBytes: number; readonly done: boolean },
): Buffer {
  const at = Buffer.alloc(extent.hole ? 12 : 8);
  at.writeBigUInt64BE(BigInt(extent.offsetBytes), 0);
  if (extent.hole) at.writeUInt32BE(extent.bytes, 8);
  const type = extent.hole ? NBD_REPLY_TYPE_OFFSET_HOLE : NBD_REPLY_TYPE_OFFSET_DATA;
  const payloadBytes = at.length + (extent.hole ? 0 : extent.bytes);
  return chunkHead({ cookie, type, done: extent.done, payloadBytes }, at);
}

export function emptyChunk(cookie: bigint): Buffer {
  return chunkHead({ cookie, type: NBD_REPLY_TYPE_NONE, done: true, payloadBytes: 0 }, Buffer.alloc(0));
}

export function errorChunk(cookie: bigint, error: number, message: string): Buffer {
  const text = Buffer.from(message).subarray(0, NBD_MAX_STRING);
  const fixed = Buffer.alloc(6);
  fixed.writeUInt32BE(error, 0);
  fixed.writeUInt16BE(text.length, 4);
  const body = Buffer.concat([fixed, text]);
  return chunkHead({ cookie, type: NBD_REPLY_TYPE_ERROR, done: true, payloadBytes: body.length }, body);
}

export function blockStatusChunk(cookie: bigint, extents: readonly ServedExtent[]): Buffer {
  const body = Buffer.alloc(4 + 8 * extents.length);
  body.writeUInt32BE(BASE_ALLOCATION_ID, 0);
  for (const [i, { bytes, hole }] of extents.entries()) {
    body.writeUInt32BE(bytes, 4 + 8 * i);
    body.writeUInt32BE(hole ? NBD_STATE_HOLE_ZERO : 0, 8 + 8 * i);
  }
  return chunkHead({ cookie, type: NBD_REPLY_TYPE_BLOCK_STATUS, done: true, payloadBytes: body.length }, body);
}
