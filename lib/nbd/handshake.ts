/**
 * The negotiation up to the transmission phase, as a table of states that knows no socket.
 * ```
 *  GREETING --+-- tls:      flags, STARTTLS --> STARTTLS_REPLY --ACK--> TLS --+
 *             |                                                    EXPORT_NAME |
 *             +-- insecure: flags, EXPORT_NAME ------------------------------> EXPORT_NAME_REPLY --> READY
 * ```
 * Nothing learnt before TLS survives it: the server's flags are checked and dropped, no option but STARTTLS is sent, and
 * a byte that arrives before it is asked for ends the connection. A man in the middle who slips plain text in front of
 * the TLS handshake therefore has nowhere to put it.
 */

import type { Failure } from '#lib/failure.ts';
import type { NbdDeadlines } from '#lib/nbd/deadlines.ts';
import { ExportRefused, HostBusy, NbdConnectionLost, NbdProtocolViolation, NbdTlsRefused } from '#lib/nbd/failures.ts';
import {
  decodeExportNameReply,
  decodeGreeting,
  decodeOptionReply,
  EXPORT_NAME_REPLY_BYTES,
  encodeClientFlags,
  encodeOption,
  GREETING_BYTES,
  IHAVEOPT,
  NBD_FLAG_C_FIXED_NEWSTYLE,
  NBD_FLAG_FIXED_NEWSTYLE,
  NBD_FLAG_HAS_FLAGS,
  NBD_MAX_STRING,
  NBD_OPT_EXPORT_NAME,
  NBD_OPT_STARTTLS,
  NBD_REP_ACK,
  NBD_REP_ERR,
  NBD_REP_MAGIC,
  NBDMAGIC,
  OPTION_REPLY_BYTES,
} from '#lib/nbd/wire.ts';
import type { Secret } from '#lib/secret.ts';
import type { Bytes } from '#lib/units.ts';

/** What one connection negotiates. `peer` names the server in messages. */
export interface HandshakePlan {
  readonly peer: string;
  readonly exportName: Secret;
  readonly security: 'tls' | 'insecure';
}

/** What the transport has to do next. */
export type HandshakeStep =
  | { readonly kind: 'send'; readonly bytes: Buffer }
  | { readonly kind: 'start-tls' }
  | { readonly kind: 'ready'; readonly exportBytes: Bytes };

type StateName = 'GREETING' | 'STARTTLS_REPLY' | 'TLS' | 'EXPORT_NAME_REPLY' | 'READY';

interface State {
  /** What is awaited, for messages. */
  readonly awaits: string;
  readonly deadline: keyof NbdDeadlines;
  /** Bytes of the reply; 0 when the server has to be silent towards the handshake. */
  readonly replyBytes: Bytes;
  readonly receive: (reply: Buffer, plan: HandshakePlan) => [StateName, HandshakeStep];
  /** What it means that the peer closes in this state. */
  readonly closed: (plan: HandshakePlan, cause: unknown) => Failure;
}

const STATES: Readonly<Record<StateName, State>> = {
  /** The host speaks first. With 16 connections open it closes the seventeenth without a word. */
  GREETING: {
    awaits: 'the greeting',
    deadline: 'greetingMs',
    replyBytes: GREETING_BYTES,
    receive: receiveGreeting,
    closed: ({ peer }, cause) =>
      new HostBusy(
        `${peer} closed the connection before its greeting: its 16 connections are taken, or NBD is not enabled on this network; try again later`,
        { cause },
      ),
  },
  /** ACK is the only reply after which TLS may begin. */
  STARTTLS_REPLY: {
    awaits: 'the reply to NBD_OPT_STARTTLS',
    deadline: 'startTlsMs',
    replyBytes: OPTION_REPLY_BYTES,
    receive: receiveStartTlsReply,
    closed: (plan, cause) => lostWhile('the reply to NBD_OPT_STARTTLS was awaited', plan, cause),
  },
  /** The connection belongs to the TLS engine until `secured`. */
  TLS: {
    awaits: 'the TLS handshake',
    deadline: 'tlsMs',
    replyBytes: 0,
    receive: unexpected,
    closed: tlsFailed,
  },
  /** Only success has a reply: whatever is wrong with session or disk, the host closes and tells its own log. */
  EXPORT_NAME_REPLY: {
    awaits: 'the reply to NBD_OPT_EXPORT_NAME',
    deadline: 'exportMs',
    replyBytes: EXPORT_NAME_REPLY_BYTES,
    receive: receiveExportNameReply,
    closed: exportRefused,
  },
  /** The transmission phase: the reply parser takes over. */
  READY: {
    awaits: 'nothing',
    deadline: 'progressMs',
    replyBytes: 0,
    receive: unexpected,
    closed: (plan, cause) => lostWhile('it was idle', plan, cause),
  },
};

/** Walks through STATES; fed by the transport in chunks of any size. */
export class Handshake {
  readonly #plan: HandshakePlan;
  #state: StateName = 'GREETING';
  #reply = Buffer.alloc(GREETING_BYTES);
  #filledBytes: Bytes = 0;

  constructor(plan: HandshakePlan) {
    this.#plan = plan;
  }

  get awaits(): string {
    return STATES[this.#state].awaits;
  }

  get deadline(): keyof NbdDeadlines {
    return STATES[this.#state].deadline;
  }

  /** The next step once a reply is complete. The server owes silence after each reply, so a chunk never spans two. */
  push(chunk: Buffer): HandshakeStep | undefined {
    const missing = this.#reply.length - this.#filledBytes;
    if (chunk.length > missing) {
      throw new NbdProtocolViolation(
        `${this.#plan.peer} sent ${chunk.length - missing} bytes nobody asked for behind ${this.awaits}; the connection cannot be trusted`,
      );
    }
    chunk.copy(this.#reply, this.#filledBytes);
    this.#filledBytes += chunk.length;
    if (this.#filledBytes < this.#reply.length) return undefined;
    const [next, step] = STATES[this.#state].receive(this.#reply, this.#plan);
    this.#enter(next);
    return step;
  }

  /** TLS stands and the certificate is verified; only now may the export name, which holds the session, be sent. */
  secured(): HandshakeStep {
    if (this.#state !== 'TLS') unexpected(this.#reply, this.#plan);
    this.#enter('EXPORT_NAME_REPLY');
    return { kind: 'send', bytes: encodeExportName(this.#plan) };
  }

  /** What it means that the connection ends now: by the peer's choice between two replies, or by breaking. */
  closed(cause: unknown): Failure {
    const isBroken = this.#filledBytes > 0 || (cause instanceof Error && 'code' in cause && cause.code === 'ETIMEDOUT');
    if (isBroken) return lostWhile(`${this.awaits} was awaited`, this.#plan, cause);
    return STATES[this.#state].closed(this.#plan, cause);
  }

  #enter(state: StateName): void {
    this.#state = state;
    this.#reply = Buffer.alloc(STATES[state].replyBytes);
    this.#filledBytes = 0;
  }
}

function receiveGreeting(reply: Buffer, plan: HandshakePlan): [StateName, HandshakeStep] {
  const { magic, style, handshakeFlags } = decodeGreeting(reply);
  if (magic !== NBDMAGIC) {
    throw new NbdProtocolViolation(`${plan.peer} greets with ${hex(magic)}, not with NBDMAGIC; is it an NBD server?`);
  }
  if (style !== IHAVEOPT || (handshakeFlags & NBD_FLAG_FIXED_NEWSTYLE) === 0) {
    throw new NbdProtocolViolation(
      `${plan.peer} offers style ${hex(style)} with handshake flags ${hex(handshakeFlags)}, not fixed newstyle; it is not a XenServer host`,
    );
  }
  const flags = encodeClientFlags(NBD_FLAG_C_FIXED_NEWSTYLE);
  if (plan.security === 'insecure') {
    return ['EXPORT_NAME_REPLY', { kind: 'send', bytes: Buffer.concat([flags, encodeExportName(plan)]) }];
  }
  const startTls = encodeOption(NBD_OPT_STARTTLS, Buffer.alloc(0));
  return ['STARTTLS_REPLY', { kind: 'send', bytes: Buffer.concat([flags, startTls]) }];
}

function receiveStartTlsReply(reply: Buffer, plan: HandshakePlan): [StateName, HandshakeStep] {
  const { magic, option, replyType, dataBytes } = decodeOptionReply(reply);
  if (magic !== NBD_REP_MAGIC || option !== NBD_OPT_STARTTLS) {
    throw new NbdProtocolViolation(
      `${plan.peer} answers NBD_OPT_STARTTLS with magic ${hex(magic)} for option ${option}; the stream is out of step`,
    );
  }
  if (replyType !== NBD_REP_ACK) {
    throw new NbdTlsRefused(
      `${plan.peer} answers NBD_OPT_STARTTLS with ${optionErrorName(replyType)}; set the purpose of its network to nbd, not insecure_nbd`,
    );
  }
  if (dataBytes !== 0) {
    throw new NbdProtocolViolation(`${plan.peer} adds ${dataBytes} bytes to its NBD_REP_ACK for NBD_OPT_STARTTLS`);
  }
  return ['TLS', { kind: 'start-tls' }];
}

function receiveExportNameReply(reply: Buffer, plan: HandshakePlan): [StateName, HandshakeStep] {
  const { exportSize, transmissionFlags, zeroes } = decodeExportNameReply(reply);
  if (exportSize > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new NbdProtocolViolation(`${plan.peer} says that its export has ${exportSize} bytes; no disk is that large`);
  }
  if ((transmissionFlags & NBD_FLAG_HAS_FLAGS) === 0) {
    throw new NbdProtocolViolation(
      `${plan.peer} sends transmission flags ${hex(transmissionFlags)} without NBD_FLAG_HAS_FLAGS`,
    );
  }
  if (zeroes.some((byte) => byte !== 0)) {
    throw new NbdProtocolViolation(`${plan.peer} does not end its reply to NBD_OPT_EXPORT_NAME with 124 zeroes`);
  }
  return ['READY', { kind: 'ready', exportBytes: Number(exportSize) }];
}

function unexpected(_reply: Buffer, plan: HandshakePlan): never {
  throw new NbdProtocolViolation(`the negotiation with ${plan.peer} took a step that its state does not have`);
}

function encodeExportName(plan: HandshakePlan): Buffer {
  const name = Buffer.from(plan.exportName.reveal(), 'utf8');
  if (name.length > NBD_MAX_STRING) {
    throw new NbdProtocolViolation(
      `the export name for ${plan.peer} has ${name.length} bytes; NBD allows ${NBD_MAX_STRING}`,
    );
  }
  return encodeOption(NBD_OPT_EXPORT_NAME, name);
}

function exportRefused({ peer, security }: HandshakePlan, cause: unknown): ExportRefused {
  const demandsTls = security === 'insecure' ? ', or the host demands TLS on this network' : '';
  return new ExportRefused(
    `${peer} closed the connection instead of opening the export: the session has expired, the disk is gone or not a snapshot, or it is in use${demandsTls}; the host's syslog (xapi-nbd) says which`,
    { cause },
  );
}

/** An OpenSSL error is a disagreement that the next attempt meets again; anything else is a lost connection. */
function tlsFailed(plan: HandshakePlan, cause: unknown): Failure {
  const isTlsError = cause instanceof Error && 'code' in cause && /^(ERR_SSL_|EPROTO$)/.test(String(cause.code));
  if (!isTlsError) return lostWhile('the TLS handshake was under way', plan, cause);
  return new NbdProtocolViolation(`no TLS with ${plan.peer}: ${cause.message}`, { cause });
}

function lostWhile(what: string, { peer }: HandshakePlan, cause: unknown): NbdConnectionLost {
  return new NbdConnectionLost(`the connection to ${peer} ended while ${what}`, { cause });
}

function optionErrorName(replyType: number): string {
  const known = Object.entries(NBD_REP_ERR).find(([, value]) => value === replyType);
  return known?.[0] ?? `option reply type ${hex(replyType)}`;
}

function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}
