/**
 * The handshake: which disk the client wants, and how it wants its replies.
 *
 * ```
 *  greeting -> client flags -> option, option, ...
 *                 ^               |-- EXPORT_NAME, GO ---------> transmission
 *                 |               |-- ABORT, end of stream ----> over
 *                 |               |-- STARTTLS -> TLS, everything heard before is forgotten
 *                 |               `-- all others are answered
 *                 '---------------'
 * ```
 */

import type { SecureContext } from 'node:tls';
import { IHAVEOPT, NBD_FLAG_C_FIXED_NEWSTYLE, NBD_MAX_STRING } from '#lib/nbd/wire.ts';
import type { ClientStream } from './client-stream.ts';
import { ClientGone } from './failures.ts';
import {
  BASE_ALLOCATION,
  counted,
  exportInfos,
  greeting,
  metaContext,
  NBD_FLAG_C_NO_ZEROES,
  NBD_OPT,
  NBD_REP,
  OPTION_HEADER_BYTES,
  optionReply,
  sizeAndFlags,
} from './protocol.ts';
import type { ServedDisk } from './served-disk.ts';

/** Clients send about ten options; somebody who sends more keeps the server busy for nothing. */
const MAX_OPTIONS = 1000;
/** An export name, and a few queries of the longest length. */
const MAX_OPTION_BYTES = 8 * NBD_MAX_STRING;

export interface Offer {
  readonly disks: readonly ServedDisk[];
  /** When given, clients have to use it before they learn anything. */
  readonly tls?: SecureContext;
}

/** What was agreed on. */
export interface Agreement {
  readonly disk: ServedDisk;
  readonly structured: boolean;
  readonly blockStatus: boolean;
}

/** Undefined when the client has what it wanted: it listed the exports, or aborted. */
export async function negotiate(
  stream: ClientStream,
  offer: Offer,
  signal: AbortSignal,
): Promise<Agreement | undefined> {
  await stream.write(greeting());
  const flags = (await stream.read(4, signal)).readUInt32BE(0);
  if ((flags & ~(NBD_FLAG_C_FIXED_NEWSTYLE | NBD_FLAG_C_NO_ZEROES)) !== 0) {
    throw new ClientGone(`the client set unknown handshake flags ${flags}`);
  }
  return new Negotiation({ stream, offer, signal, noZeroes: (flags & NBD_FLAG_C_NO_ZEROES) !== 0 }).run();
}

interface Parts {
  readonly stream: ClientStream;
  readonly offer: Offer;
  readonly signal: AbortSignal;
  readonly noZeroes: boolean;
}

class Negotiation {
  readonly #parts: Parts;
  #secured = false;
  #structured = false;
  /** Name of the export whose block status the client asked for. */
  #statusOf: string | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async run(): Promise<Agreement | undefined> {
    const { stream, signal } = this.#parts;
    for (let options = 0; options < MAX_OPTIONS; options++) {
      const head = await stream.read(OPTION_HEADER_BYTES, signal);
      if (head.readBigUInt64BE(0) !== IHAVEOPT) throw new ClientGone('the client sent something else than an option');
      const option = head.readUInt32BE(8);
      const dataBytes = head.readUInt32BE(12);
      if (dataBytes > MAX_OPTION_BYTES) throw new ClientGone(`the client sent an option of ${dataBytes} bytes`);
      const data = await stream.read(dataBytes, signal);
      if (option === NBD_OPT.ABORT) {
        await stream.write(optionReply(option, NBD_REP.ACK));
        return undefined;
      }
      const agreement = await this.#answer(option, data);
      if (agreement !== undefined) return agreement;
    }
    throw new ClientGone(`the client sent more than ${MAX_OPTIONS} options`);
  }

  async #answer(option: number, data: Buffer): Promise<Agreement | undefined> {
    if (option === NBD_OPT.STARTTLS) return this.#startTls(data);
    if (this.#parts.offer.tls !== undefined && !this.#secured) {
      // This option has no reply that could say no.
      if (option === NBD_OPT.EXPORT_NAME) throw new ClientGone('the client asked for an export before TLS');
      return this.#reply(option, NBD_REP.ERR_TLS_REQD);
    }
    switch (option) {
      case NBD_OPT.EXPORT_NAME:
        return this.#exportName(data.toString());
      case NBD_OPT.LIST:
        return this.#list(data);
      case NBD_OPT.INFO:
      case NBD_OPT.GO:
        return this.#info(option, data);
      case NBD_OPT.STRUCTURED_REPLY:
        if (data.length > 0) return this.#reply(option, NBD_REP.ERR_INVALID);
        this.#structured = true;
        return this.#reply(option, NBD_REP.ACK);
      case NBD_OPT.LIST_META_CONTEXT:
      case NBD_OPT.SET_META_CONTEXT:
        return this.#metaContext(option, data);
      default:
        return this.#reply(option, NBD_REP.ERR_UNSUP);
    }
  }

  async #startTls(data: Buffer): Promise<undefined> {
    const { stream, offer, signal } = this.#parts;
    if (offer.tls === undefined) return this.#reply(NBD_OPT.STARTTLS, NBD_REP.ERR_POLICY);
    if (data.length > 0 || this.#secured) return this.#reply(NBD_OPT.STARTTLS, NBD_REP.ERR_INVALID);
    await this.#reply(NBD_OPT.STARTTLS, NBD_REP.ACK);
    await stream.startTls(offer.tls, signal);
    this.#secured = true;
    this.#structured = false;
    this.#statusOf = undefined;
    return undefined;
  }

  async #exportName(name: string): Promise<Agreement> {
    const disk = this.#find(name);
    if (disk === undefined) throw new ClientGone(`the client asked for the unknown export ${JSON.stringify(name)}`);
    const { stream, noZeroes } = this.#parts;
    const reply = sizeAndFlags(disk.diskBytes, this.#structured);
    await stream.write(noZeroes ? reply : Buffer.concat([reply, Buffer.alloc(124)]));
    return this.#agreement(disk, name);
  }

  async #list(data: Buffer): Promise<undefined> {
    if (data.length > 0) return this.#reply(NBD_OPT.LIST, NBD_REP.ERR_INVALID);
    for (const { name, description } of this.#parts.offer.disks) {
      const entry = Buffer.concat([counted(name), Buffer.from(description)]);
      await this.#parts.stream.write(optionReply(NBD_OPT.LIST, NBD_REP.SERVER, entry));
    }
    return this.#reply(NBD_OPT.LIST, NBD_REP.ACK);
  }

  async #info(option: typeof NBD_OPT.INFO | typeof NBD_OPT.GO, data: Buffer): Promise<Agreement | undefined> {
    const fields = new OptionData(data);
    const name = fields.text();
    const count = fields.uint16();
    const wanted = Array.from({ length: count ?? 0 }, () => fields.uint16() ?? Number.NaN);
    if (name === undefined || count === undefined || !fields.isUsedUp) return this.#reply(option, NBD_REP.ERR_INVALID);
    const disk = this.#find(name);
    if (disk === undefined) return this.#reply(option, NBD_REP.ERR_UNKNOWN);
    for (const info of exportInfos(disk, { structured: this.#structured, wanted })) {
      await this.#parts.stream.write(optionReply(option, NBD_REP.INFO, info));
    }
    await this.#reply(option, NBD_REP.ACK);
    return option === NBD_OPT.GO ? this.#agreement(disk, name) : undefined;
  }

  async #metaContext(option: number, data: Buffer): Promise<undefined> {
    const fields = new OptionData(data);
    const name = fields.text();
    const count = fields.uint32();
    const queries = Array.from({ length: Math.min(count ?? 0, MAX_OPTION_BYTES) }, () => fields.text());
    const isSet = option === NBD_OPT.SET_META_CONTEXT;
    const isMalformed = name === undefined || count === undefined || !fields.isUsedUp || queries.includes(undefined);
    if (isMalformed || (isSet && !this.#structured)) return this.#reply(option, NBD_REP.ERR_INVALID);
    if (this.#find(name) === undefined) return this.#reply(option, NBD_REP.ERR_UNKNOWN);
    const isWanted =
      queries.includes(BASE_ALLOCATION) || (!isSet && (queries.length === 0 || queries.includes('base:')));
    if (isSet) this.#statusOf = isWanted ? name : undefined;
    if (isWanted) await this.#parts.stream.write(optionReply(option, NBD_REP.META_CONTEXT, metaContext()));
    return this.#reply(option, NBD_REP.ACK);
  }

  /** The empty name means the only disk, or the first. */
  #find(name: string): ServedDisk | undefined {
    const { disks } = this.#parts.offer;
    return name === '' ? disks[0] : disks.find((disk) => disk.name === name);
  }

  #agreement(disk: ServedDisk, name: string): Agreement {
    return { disk, structured: this.#structured, blockStatus: this.#statusOf === name };
  }

  async #reply(option: number, type: number): Promise<undefined> {
    await this.#parts.stream.write(optionReply(option, type));
    return undefined;
  }
}

/** Reads the fields of an option; undefined where the data ends too early. */
class OptionData {
  readonly #data: Buffer;
  #at = 0;

  constructor(data: Buffer) {
    this.#data = data;
  }

  get isUsedUp(): boolean {
    return this.#at === this.#data.length;
  }

  uint16(): number | undefined {
    return this.#take(2)?.readUInt16BE(0);
  }

  uint32(): number | undefined {
    return this.#take(4)?.readUInt32BE(0);
  }

  text(): string | undefined {
    const bytes = this.uint32();
    return bytes === undefined || bytes > NBD_MAX_STRING ? undefined : this.#take(bytes)?.toString();
  }

  #take(bytes: number): Buffer | undefined {
    if (this.#at + bytes > this.#data.length) return undefined;
    this.#at += bytes;
    return this.#data.subarray(this.#at - bytes, this.#at);
  }
}
