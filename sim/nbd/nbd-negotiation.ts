/**
 * The option phase of the fixed newstyle handshake.
 *
 *   greeting -> client flags -> option*
 *        FORCEDTLS: STARTTLS -> (TLS handshake) -> option* -> EXPORT_NAME
 *        NOTLS:                                              EXPORT_NAME
 */

import type { Socket } from 'node:net';
import { ByteReader } from '#sim/wire/byte-reader.ts';
import { send } from '#sim/wire/send.ts';
import * as nbd from './nbd-wire.ts';

export type Security =
  | { readonly mode: 'FORCEDTLS'; readonly upgrade: () => Promise<Socket> }
  | { readonly mode: 'NOTLS' };

export interface Agreement {
  readonly exportName: string;
  readonly socket: Socket;
  readonly reader: ByteReader;
}

/** FIXED_NEWSTYLE in the client's flags; without it a TLS server hangs up. */
const CLIENT_FIXED_NEWSTYLE = 1;

/** Options before a client must have asked for an export; the daemon itself has no limit. */
const MAX_OPTIONS = 1000;

/** What the daemon reads of an option's payload has no limit either; this keeps a mistake from filling the memory. */
const MAX_OPTION_BYTES = 1_048_576;

/** Undefined when the connection is to be closed without another word. */
export async function negotiate(socket: Socket, security: Security): Promise<Agreement | undefined> {
  await send(socket, nbd.greeting());
  const reader = new ByteReader(socket);
  const flags = (await reader.exactly(4)).readUInt32BE(0);
  if (security.mode === 'NOTLS') return choose(socket, reader, 'plain');
  if ((flags & CLIENT_FIXED_NEWSTYLE) === 0) return undefined;
  if (!(await awaitStartTls(socket, reader))) return undefined;
  reader.release();
  const secured = await security.upgrade();
  // After the handshake there is no second greeting: the client goes on with options.
  return choose(secured, new ByteReader(secured), 'secured');
}

async function awaitStartTls(socket: Socket, reader: ByteReader): Promise<boolean> {
  for (let seen = 0; seen < MAX_OPTIONS; seen += 1) {
    const option = await readOption(reader);
    if (!option || option.code === nbd.NBD_OPT_EXPORT_NAME || option.code === nbd.NBD_OPT_ABORT) return false;
    if (option.code === nbd.NBD_OPT_STARTTLS) {
      await send(socket, nbd.optionReply(option.code, nbd.NBD_REP_ACK));
      return true;
    }
    await send(socket, nbd.optionReply(option.code, nbd.NBD_REP_ERR_TLS_REQD));
  }
  return false;
}

async function choose(
  socket: Socket,
  reader: ByteReader,
  channel: 'plain' | 'secured',
): Promise<Agreement | undefined> {
  for (let seen = 0; seen < MAX_OPTIONS; seen += 1) {
    const option = await readOption(reader);
    if (!option) return undefined;
    if (option.code === nbd.NBD_OPT_EXPORT_NAME) return { exportName: option.payload.toString('utf8'), socket, reader };
    await send(socket, nbd.optionReply(option.code, answerTo(option.code, channel)));
    if (option.code === nbd.NBD_OPT_ABORT) return undefined;
  }
  return undefined;
}

function answerTo(option: number, channel: 'plain' | 'secured'): number {
  switch (option) {
    case nbd.NBD_OPT_ABORT:
      return nbd.NBD_REP_ACK;
    case nbd.NBD_OPT_LIST:
      return nbd.NBD_REP_ERR_POLICY;
    case nbd.NBD_OPT_STARTTLS:
      return channel === 'secured' ? nbd.NBD_REP_ERR_INVALID : nbd.NBD_REP_ERR_POLICY;
    default:
      return nbd.NBD_REP_ERR_UNSUP;
  }
}

/** IHAVEOPT u64 | option u32 | length u32 | payload; undefined if the magic is wrong */
async function readOption(reader: ByteReader): Promise<{ code: number; payload: Buffer } | undefined> {
  const header = await reader.exactly(16);
  if (header.readBigUInt64BE(0) !== nbd.IHAVEOPT) return undefined;
  const lengthBytes = header.readUInt32BE(12);
  if (lengthBytes > MAX_OPTION_BYTES) return undefined;
  return { code: header.readUInt32BE(8), payload: await reader.exactly(lengthBytes) };
}
