/**
 * The aws-chunked coding of a body: it lets a client sign a body piece by piece, and send its checksum after it.
 *
 * ```
 *  <size, hexadecimal>[;chunk-signature=<64 hex>] CR LF
 *  <size bytes> CR LF                                       } any number of times
 *  0[;chunk-signature=<64 hex>] CR LF
 *  [<name>:<value> CR LF]...                                trailers, with x-amz-trailer-signature last if signed
 *  CR LF
 * ```
 *
 * The decoder knows no socket: bytes go in as they come, data goes out as soon as it is there.
 */

import { createHash, createHmac, type Hash } from 'node:crypto';
import { S3Error } from './s3-error.ts';
import { type Signed, sameText, sha256 } from './signature.ts';

/** A size line with its signature has 90 characters, a trailer with a SHA-512 has 130. */
const MAX_LINE_BYTES = 1024;
const MAX_TRAILERS = 16;
const CRLF = Buffer.from('\r\n');
const EMPTY_SHA256 = sha256('');

type State =
  | { readonly kind: 'size' }
  | { readonly kind: 'data'; restBytes: number; readonly signature: string | undefined }
  | { readonly kind: 'data-end'; readonly signature: string | undefined }
  | { readonly kind: 'trailers' }
  | { readonly kind: 'done' };

export class ChunkedBody {
  /** Trailers by lower-case name, complete when `isDone`. */
  readonly trailers = new Map<string, string>();
  #state: State = { kind: 'size' };
  /** Bytes of a line whose end has not come yet. */
  #line: Buffer = Buffer.alloc(0);
  readonly #chain: SignatureChain | undefined;

  /** With `signed`, every chunk has to carry the signature that continues the request's. */
  constructor(signed?: Signed) {
    this.#chain = signed === undefined ? undefined : new SignatureChain(signed);
  }

  get isDone(): boolean {
    return this.#state.kind === 'done';
  }

  /** The data among these bytes, as views of them. */
  *decode(bytes: Buffer): Generator<Buffer> {
    for (let rest = bytes; rest.length > 0; ) {
      if (this.#state.kind === 'done') throw new S3Error('IncompleteBody', 'There are bytes after the last chunk.');
      if (this.#state.kind === 'data') {
        const data = rest.subarray(0, this.#state.restBytes);
        rest = rest.subarray(data.length);
        this.#passed(this.#state, data);
        yield data;
        continue;
      }
      const { line, after } = this.#takeLine(rest);
      rest = after;
      if (line !== undefined) this.#state = this.#next(this.#state, line);
    }
  }

  #passed(state: Extract<State, { kind: 'data' }>, data: Buffer): void {
    this.#chain?.update(data);
    state.restBytes -= data.length;
    if (state.restBytes === 0) this.#state = { kind: 'data-end', signature: state.signature };
  }

  #next(state: Exclude<State, { kind: 'data' | 'done' }>, line: string): State {
    switch (state.kind) {
      case 'size':
        return this.#sizeLine(line);
      case 'data-end':
        if (line !== '') throw new S3Error('IncompleteBody', 'A chunk is longer than it says.');
        this.#chain?.closeChunk(state.signature);
        return { kind: 'size' };
      case 'trailers':
        return this.#trailerLine(line);
    }
  }

  #sizeLine(line: string): State {
    const parsed = /^([0-9a-f]{1,8})(?:;chunk-signature=([0-9a-f]{64}))?$/i.exec(line);
    if (parsed === null) throw new S3Error('InvalidRequest', 'A chunk does not begin with its size.');
    const restBytes = Number.parseInt(parsed[1] ?? '', 16);
    if (restBytes > 0) return { kind: 'data', restBytes, signature: parsed[2] };
    this.#chain?.closeChunk(parsed[2]);
    return { kind: 'trailers' };
  }

  #trailerLine(line: string): State {
    if (line === '') return { kind: 'done' };
    const colon = line.indexOf(':');
    if (colon < 1 || this.trailers.size === MAX_TRAILERS) throw new S3Error('InvalidRequest', 'Malformed trailer.');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === 'x-amz-trailer-signature') this.#chain?.closeTrailers(this.trailers, value);
    else this.trailers.set(name, value);
    return { kind: 'trailers' };
  }

  #takeLine(bytes: Buffer): { line: string | undefined; after: Buffer } {
    const known = this.#line.length;
    const joined = known === 0 ? bytes : Buffer.concat([this.#line, bytes]);
    const end = joined.indexOf(CRLF);
    if ((end === -1 ? joined.length : end) > MAX_LINE_BYTES)
      throw new S3Error('InvalidRequest', 'A chunk line is too long.');
    this.#line = end === -1 ? Buffer.from(joined) : Buffer.alloc(0);
    if (end === -1) return { line: undefined, after: Buffer.alloc(0) };
    return { line: joined.toString('latin1', 0, end), after: joined.subarray(end + CRLF.length) };
  }
}

/** Each chunk's signature covers the one before, beginning with the request's. */
class SignatureChain {
  readonly #signed: Signed;
  #previous: string;
  #hash: Hash = createHash('sha256');

  constructor(signed: Signed) {
    this.#signed = signed;
    this.#previous = signed.signature;
  }

  update(data: Buffer): void {
    this.#hash.update(data);
  }

  closeChunk(signature: string | undefined): void {
    const dataHash = this.#hash.digest('hex');
    this.#hash = createHash('sha256');
    this.#check('AWS4-HMAC-SHA256-PAYLOAD', `${EMPTY_SHA256}\n${dataHash}`, signature);
  }

  closeTrailers(trailers: ReadonlyMap<string, string>, signature: string): void {
    const canonical = [...trailers].map(([name, value]) => `${name}:${value}\n`).join('');
    this.#check('AWS4-HMAC-SHA256-TRAILER', sha256(canonical), signature);
  }

  #check(algorithm: string, hashes: string, signature: string | undefined): void {
    const { time, scope, signingKey } = this.#signed;
    const toSign = [algorithm, time, scope, this.#previous, hashes].join('\n');
    const expected = createHmac('sha256', signingKey).update(toSign).digest('hex');
    if (signature === undefined || !sameText(expected, signature)) throw new S3Error('SignatureDoesNotMatch');
    this.#previous = expected;
  }
}
