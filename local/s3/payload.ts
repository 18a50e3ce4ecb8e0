/** The body of a request on its way in: decoded, digested as it passes, and checked against everything said about it. */

import { createHash, type Hash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { CHECKSUM_ALGORITHMS, type ChecksumAlgorithm, checksumHeader, type Digest, startDigest } from './checksums.ts';
import { ChunkedBody } from './chunked-body.ts';
import { S3Error } from './s3-error.ts';
import type { Signed } from './signature.ts';

export interface PayloadSource {
  readonly body: AsyncIterable<Buffer>;
  readonly headers: IncomingHttpHeaders;
  /** Undefined for bytes that are here already. */
  readonly signed: Signed | undefined;
}

export interface PayloadNeeds {
  /** A checksum to compute even when the client sends none. */
  readonly algorithm?: ChecksumAlgorithm | undefined;
  /** What the checksum header is about: that of Complete is the object's, not the body's. */
  readonly checksumOf?: 'body' | 'object';
  /** Which digest makes the ETag. */
  readonly etag: 'md5' | 'sha256' | 'none';
}

/** What is known once the last byte has passed. */
export interface Received {
  readonly bytes: number;
  /** Hexadecimal, 32 digits. */
  readonly etag: string;
  /** The checksum the client sent, which is right, or the one that was needed. */
  readonly checksum: { readonly algorithm: ChecksumAlgorithm; readonly value: string } | undefined;
}

export class Payload {
  readonly #source: PayloadSource;
  readonly #chunked: ChunkedBody | undefined;
  readonly #md5: Hash | undefined;
  readonly #sha256: Hash | undefined;
  readonly #checksum: { readonly algorithm: ChecksumAlgorithm; readonly digest: Digest } | undefined;
  readonly #needs: PayloadNeeds;
  #bytes = 0;
  #received: Received | undefined;

  constructor(source: PayloadSource, needs: PayloadNeeds) {
    this.#source = source;
    this.#needs = needs;
    const payloadHash = source.signed?.payloadHash ?? 'UNSIGNED-PAYLOAD';
    if (payloadHash.startsWith('STREAMING-')) {
      this.#chunked = new ChunkedBody(payloadHash.startsWith('STREAMING-AWS4') ? source.signed : undefined);
    }
    if (needs.etag === 'md5' || source.headers['content-md5'] !== undefined) this.#md5 = createHash('md5');
    if (needs.etag === 'sha256' || isSha256(payloadHash)) this.#sha256 = createHash('sha256');
    const sent = needs.checksumOf === 'object' ? undefined : algorithmSent(source.headers);
    if (sent !== undefined && needs.algorithm !== undefined && sent !== needs.algorithm) {
      throw new S3Error('InvalidRequest', `Checksum Type mismatch: expected ${needs.algorithm}, actual ${sent}`);
    }
    const algorithm = sent ?? needs.algorithm;
    if (algorithm !== undefined) this.#checksum = { algorithm, digest: startDigest(algorithm) };
  }

  /** Bytes of data so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The data. After the last byte it is checked: what throws then must not be kept. */
  async *chunks(): AsyncGenerator<Buffer> {
    for await (const bytes of this.#source.body) {
      for (const data of this.#chunked?.decode(bytes) ?? [bytes]) {
        this.#bytes += data.length;
        this.#md5?.update(data);
        this.#sha256?.update(data);
        this.#checksum?.digest.update(data);
        yield data;
      }
    }
    this.#received = this.#check();
  }

  /** Only after the last of `chunks`. */
  get received(): Received {
    if (this.#received === undefined) throw new S3Error('IncompleteBody');
    return this.#received;
  }

  #check(): Received {
    const { headers, signed } = this.#source;
    const decodedBytes = headers['x-amz-decoded-content-length'];
    if (this.#chunked?.isDone === false) throw new S3Error('IncompleteBody', 'The last chunk is missing.');
    if (decodedBytes !== undefined && Number(decodedBytes) !== this.#bytes) throw new S3Error('IncompleteBody');
    const sha256 = this.#sha256?.digest('hex');
    if (signed !== undefined && isSha256(signed.payloadHash) && sha256 !== signed.payloadHash) {
      throw new S3Error('XAmzContentSHA256Mismatch');
    }
    const md5 = this.#md5?.digest();
    this.#checkMd5(md5);
    // 32 digits of either: S3's ETags are no MD5 of the content either, as soon as an object is encrypted with KMS.
    const digits = this.#needs.etag === 'md5' ? md5?.toString('hex') : sha256;
    return { bytes: this.#bytes, etag: digits?.slice(0, 32) ?? '', checksum: this.#checkChecksum() };
  }

  #checkMd5(md5: Buffer | undefined): void {
    const sent = this.#source.headers['content-md5'];
    if (typeof sent !== 'string') return;
    if (Buffer.from(sent, 'base64').length !== 16) throw new S3Error('InvalidDigest');
    if (md5?.toString('base64') !== sent)
      throw new S3Error('BadDigest', 'The Content-MD5 you specified did not match.');
  }

  #checkChecksum(): Received['checksum'] {
    if (this.#checksum === undefined) return undefined;
    const { algorithm, digest } = this.#checksum;
    const value = digest.base64();
    const name = checksumHeader(algorithm);
    const sent = this.#source.headers[name] ?? this.#chunked?.trailers.get(name);
    if (sent !== undefined && sent !== value) {
      throw new S3Error('BadDigest', `The ${algorithm} you specified did not match the calculated checksum.`);
    }
    if (sent === undefined && algorithmSent(this.#source.headers) !== undefined) {
      throw new S3Error('InvalidRequest', `The trailer ${name} was announced and did not come.`);
    }
    return { algorithm, value };
  }
}

function isSha256(payloadHash: string): boolean {
  return /^[0-9a-f]{64}$/.test(payloadHash);
}

/** The algorithm of a checksum that comes in a header, or is announced as a trailer. */
function algorithmSent(headers: IncomingHttpHeaders): ChecksumAlgorithm | undefined {
  const trailer = String(headers['x-amz-trailer'] ?? '').toLowerCase();
  const sent = CHECKSUM_ALGORITHMS.filter((algorithm) => {
    const name = checksumHeader(algorithm);
    return headers[name] !== undefined || trailer.split(',').some((announced) => announced.trim() === name);
  });
  if (sent.length > 1) throw new S3Error('InvalidRequest', 'Expecting a single x-amz-checksum- header.');
  return sent[0];
}
