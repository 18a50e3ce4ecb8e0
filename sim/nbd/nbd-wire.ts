/** Numbers of the NBD protocol as this server speaks it. */

export const NBDMAGIC = 0x4e42444d41474943n;
export const IHAVEOPT = 0x49484156454f5054n;
export const OPTION_REPLY_MAGIC = 0x0003e889045565a9n;
export const REQUEST_MAGIC = 0x25609513;
export const SIMPLE_REPLY_MAGIC = 0x67446698;

export const NBD_FLAG_FIXED_NEWSTYLE = 0x0001;
/** HAS_FLAGS | READ_ONLY, and nothing else. */
export const TRANSMISSION_FLAGS = 0x0003;

export const NBD_OPT_EXPORT_NAME = 1;
export const NBD_OPT_ABORT = 2;
export const NBD_OPT_LIST = 3;
export const NBD_OPT_STARTTLS = 5;

export const NBD_REP_ACK = 1;
export const NBD_REP_ERR_UNSUP = 0x8000_0001;
export const NBD_REP_ERR_POLICY = 0x8000_0002;
export const NBD_REP_ERR_INVALID = 0x8000_0003;
export const NBD_REP_ERR_TLS_REQD = 0x8000_0005;

export const NBD_CMD_READ = 0;
export const NBD_CMD_WRITE = 1;
export const NBD_CMD_DISC = 2;

export const NBD_EPERM = 1;
export const NBD_EINVAL = 22;

/** NBDMAGIC u64 | IHAVEOPT u64 | handshake flags u16 */
export function greeting(): Buffer {
  const bytes = Buffer.alloc(18);
  bytes.writeBigUInt64BE(NBDMAGIC, 0);
  bytes.writeBigUInt64BE(IHAVEOPT, 8);
  bytes.writeUInt16BE(NBD_FLAG_FIXED_NEWSTYLE, 16);
  return bytes;
}

/** magic u64 | option u32 | reply type u32 | length u32, which is always 0: errors carry no text */
export function optionReply(option: number, type: number): Buffer {
  const bytes = Buffer.alloc(20);
  bytes.writeBigUInt64BE(OPTION_REPLY_MAGIC, 0);
  bytes.writeUInt32BE(option, 8);
  bytes.writeUInt32BE(type, 12);
  return bytes;
}

/** size u64 | transmission flags u16 | 124 zero bytes: 134 in all */
export function exportReply(sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(134);
  bytes.writeBigUInt64BE(BigInt(sizeBytes), 0);
  bytes.writeUInt16BE(TRANSMISSION_FLAGS, 8);
  return bytes;
}

/** magic u32 | error u32 | handle u64 */
export function simpleReply(error: number, handle: bigint): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32BE(SIMPLE_REPLY_MAGIC, 0);
  bytes.writeUInt32BE(error, 4);
  bytes.writeBigUInt64BE(handle, 8);
  return bytes;
}

export interface Request {
  /** Command flags and command together: any flag makes the command unknown. */
  readonly type: number;
  readonly handle: bigint;
  readonly offset: bigint;
  readonly length: number;
}

/** magic u32 | flags and type u32 | handle u64 | offset u64 | length u32: 28 bytes; undefined if the magic is wrong */
export function readRequest(bytes: Buffer): Request | undefined {
  if (bytes.readUInt32BE(0) !== REQUEST_MAGIC) return undefined;
  return {
    type: bytes.readUInt32BE(4),
    handle: bytes.readBigUInt64BE(8),
    offset: bytes.readBigUInt64BE(16),
    length: bytes.readUInt32BE(24),
  };
}

export const REQUEST_BYTES = 28;
