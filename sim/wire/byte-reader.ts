/** Reads exact numbers of bytes, or up to a mark, from a socket; the end of the stream is an error unless it was expected. */

import type { Duplex } from 'node:stream';

export class ConnectionEnded extends Error {
  constructor(wanted: string) {
    super(`the connection ended while ${wanted} was expected`);
    this.name = 'ConnectionEnded';
  }
}

export class MarkNotFound extends Error {
  constructor(maxBytes: number) {
    super(`the mark did not come within ${maxBytes} bytes`);
    this.name = 'MarkNotFound';
  }
}

export class ByteReader {
  readonly #stream: Duplex;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(stream: Duplex) {
    this.#stream = stream;
    const wake = () => this.#wake?.();
    const end = () => {
      this.#ended = true;
      wake();
    };
    stream.on('readable', wake).on('end', end).on('close', end).on('error', end);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Exactly this many bytes; larger amounts are gathered from pieces, so the stream's buffer limit does not matter. */
  async exactly(lengthBytes: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (let missing = lengthBytes; missing > 0; ) {
      const piece = await this.some(missing);
      if (!piece) throw new ConnectionEnded(`${missing} of ${lengthBytes} bytes`);
      pieces.push(piece);
      missing -= piece.length;
    }
    return pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces);
  }

  /** Whatever has arrived, at most `maxBytes`; undefined at the end of the stream. */
  async some(maxBytes: number): Promise<Buffer | undefined> {
    for (;;) {
      const available = this.#stream.readableLength;
      const piece: unknown = available > 0 ? this.#stream.read(Math.min(available, maxBytes)) : this.#stream.read(0);
      if (Buffer.isBuffer(piece) && piece.length > 0) return piece;
      if (this.#ended) return undefined;
      await this.#arrival();
    }
  }

  /** Bytes up to and including `mark`; undefined if the stream ends before the first byte. */
  async through(mark: string, maxBytes: number): Promise<Buffer | undefined> {
    let gathered: Buffer = Buffer.alloc(0);
    for (;;) {
      const piece = await this.some(maxBytes + mark.length);
      if (!piece) {
        if (gathered.length === 0) return undefined;
        throw new ConnectionEnded('the rest of a header');
      }
      gathered = Buffer.concat([gathered, piece]);
      const at = gathered.indexOf(mark);
      if (at >= 0 && at + mark.length <= maxBytes) {
        const end = at + mark.length;
        if (end < gathered.length) this.#stream.unshift(gathered.subarray(end));
        return gathered.subarray(0, end);
      }
      if (at >= 0 || gathered.length >= maxBytes) throw new MarkNotFound(maxBytes);
    }
  }

  /** Hands the stream over to another reader. */
  release(): void {
    this.#stream.removeAllListeners('readable').removeAllListeners('end').removeAllListeners('close');
  }

  #arrival(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }
}
