/**
 * The shapes of the NBD protocol that a XenServer host speaks, in the spelling of the specification
 * (NetworkBlockDevice/nbd, doc/proto.md). All integers are big-endian.
 */

/** First eight bytes of every NBD server: "NBDMAGIC". */
export const NBDMAGIC = 0x4e42444d41474943n;
/** Newstyle negotiation, and the head of every option: "IHAVEOPT". */
export const IHAVEOPT = 0x49484156454f5054n;
/** Head of every option reply. */
export const NBD_REP_MAGIC = 0x0003e889045565a9n;
export const NBD_REQUEST_MAGIC = 0x25609513;
export const NBD_SIMPLE_REPLY_MAGIC = 0x67446698;

/** Handshake flags of the server. */
export const NBD_FLAG_FIXED_NEWSTYLE = 0x0001;
/** Handshake flags of the client. NBD_FLAG_C_NO_ZEROES is never set: the host ignores it and sends the zeroes. */
export const NBD_FLAG_C_FIXED_NEWSTYLE = 0x00000001;

export const NBD_OPT_EXPORT_NAME = 1;
export const NBD_OPT_STARTTLS = 5;

export const NBD_REP_ACK = 1;
/** Option replies that say no; the specification calls the set bit 31 an error. */
export const NBD_REP_ERR = {
  NBD_REP_ERR_UNSUP: 0x80000001,
  NBD_REP_ERR_POLICY: 0x80000002,
  NBD_REP_ERR_INVALID: 0x80000003,
  NBD_REP_ERR_PLATFORM: 0x80000004,
  NBD_REP_ERR_TLS_REQD: 0x80000005,
  NBD_REP_ERR_UNKNOWN: 0x80000006,
  NBD_REP_ERR_SHUTDOWN: 0x80000007,
  NBD_REP_ERR_BLOCK_SIZE_REQD: 0x80000008,
  NBD_REP_ERR_TOO_BIG: 0x80000009,
} as const;

/** Transmission flags. */
export const NBD_FLAG_HAS_FLAGS = 0x0001;
export const NBD_FLAG_READ_ONLY = 0x0002;

export const NBD_CMD_READ = 0;
export const NBD_CMD_DISC = 2;

/** Errors of a reply. */
export const NBD_ERRORS = {
  NBD_EPERM: 1,
  NBD_EIO: 5,
  NBD_ENOMEM: 12,
  NBD_EINVAL: 22,
  NBD_ENOSPC: 28,
  NBD_EOVERFLOW: 75,
  NBD_ENOTSUP: 95,
  NBD_ESHUTDOWN: 108,
} as const;

/** The longest string the protocol knows, and so the longest export name. */
export const NBD_MAX_STRING = 4096;

export const GREETING_BYTES = 18;
export const OPTION_REPLY_BYTES = 20;
export const EXPORT_NAME_REPLY_BYTES = 134;
export const REQUEST_BYTES = 28;
export const SIMPLE_REPLY_BYTES = 16;

/**
 * ```
 *  0        8        16   18
 *  | NBDMAGIC | IHAVEOPT | handshake flags |
 * ```
 */
export function decodeGreeting(bytes: Buffer): { magic: bigint; style: bigint; handshakeFlags: number } {
  return { magic: bytes.readBigUInt64BE(0), style: bytes.readBigUInt64BE(8), handshakeFlags: bytes.readUInt16BE(16) };
}

/** The client's answer to the greeting: 32 bits of flags. */
export function encodeClientFlags(flags: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(flags);
  return bytes;
}

/**
 * ```
 *  0        8        12       16
 *  | IHAVEOPT | option | length | data ... |
 * ```
 */
export function encodeOption(option: number, data: Buffer): Buffer {
  const header = Buffer.alloc(16);
  header.writeBigUInt64BE(IHAVEOPT, 0);
  header.writeUInt32BE(option, 8);
  header.writeUInt32BE(data.length, 12);
  return Buffer.concat([header, data]);
}

/**
 * ```
 *  0             8        12           16       20
 *  | NBD_REP_MAGIC | option | reply type | length | data ... |
 * ```
 */
export function decodeOptionReply(bytes: Buffer): {
  magic: bigint;
  option: number;
  replyType: number;
  dataBytes: number;
} {
  return {
    magic: bytes.readBigUInt64BE(0),
    option: bytes.readUInt32BE(8),
    replyType: bytes.readUInt32BE(12),
    dataBytes: bytes.readUInt32BE(16),
  };
}

/**
 * The reply to NBD_OPT_EXPORT_NAME carries no magic and no error: a server that refuses closes the connection.
 * ```
 *  0             8                   10            134
 *  | export size | transmission flags | 124 zeroes |
 * ```
 */
export function decodeExportNameReply(bytes: Buffer): {
  exportSize: bigint;
  transmissionFlags: number;
  zeroes: Buffer;
} {
  return {
    exportSize: bytes.readBigUInt64BE(0),
    transmissionFlags: bytes.readUInt16BE(8),
    zeroes: bytes.subarray(10, EXPORT_NAME_REPLY_BYTES),
  };
}

/** A request of the transmission phase. The handle is ours to choose: a safe integer. */
export interface NbdRequest {
  readonly type: number;
  readonly handle: number;
  readonly offset: number;
  readonly length: number;
}

/**
 * Command flags stay zero: the host reads flags and type as one 32-bit number and calls any flag an unknown command.
 * ```
 *  0       4               6      8        16       24       28
 *  | magic | command flags | type | handle | offset | length |
 * ```
 */
export function encodeRequest(target: Buffer, at: number, request: NbdRequest): void {
  target.writeUInt32BE(NBD_REQUEST_MAGIC, at);
  target.writeUInt16BE(0, at + 4);
  target.writeUInt16BE(request.type, at + 6);
  writeUint64(target, at + 8, request.handle);
  writeUint64(target, at + 16, request.offset);
  target.writeUInt32BE(request.length, at + 24);
}

/**
 * A handle above the safe integers loses its lowest bits here. That is harmless: it stays above every handle we give out.
 * ```
 *  0       4       8        16
 *  | magic | error | handle | data, if error is 0 ... |
 * ```
 */
export function decodeSimpleReply(bytes: Buffer): { magic: number; error: number; handle: number } {
  return {
    magic: bytes.readUInt32BE(0),
    error: bytes.readUInt32BE(4),
    handle: bytes.readUInt32BE(8) * UINT32_VALUES + bytes.readUInt32BE(12),
  };
}

const UINT32_VALUES = 0x1_0000_0000;

/** Two 32-bit halves instead of a bigint: requests and replies are encoded thousands of times a second. */
function writeUint64(target: Buffer, at: number, value: number): void {
  target.writeUInt32BE(Math.floor(value / UINT32_VALUES), at);
  target.writeUInt32BE(value % UINT32_VALUES, at + 4);
}
