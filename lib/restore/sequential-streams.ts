/** Notices who reads a disk in order, so that what comes next can be fetched before it is asked for. */

import { type Bytes, MIB } from '#lib/units.ts';

/** Tools keep several requests in flight and their order gets mixed on the way: this near still is in order. */
const NEAR_BYTES = 16 * MIB;
/** A stream has read this much in order before it is believed: a directory's blocks lie together as well. */
const BELIEVED_BYTES = MIB;
/** Sixteen clients with two streams each; the one that paused longest is forgotten. */
const MAX_STREAMS = 32;

export class SequentialStreams {
  /** In order of last use, oldest first. */
  readonly #streams = new Set<{ end: Bytes; readBytes: Bytes }>();

  /** Where the reader of this range is likely to go on; undefined for one who jumps about. */
  next(offsetBytes: Bytes, lengthBytes: Bytes): Bytes | undefined {
    const end = offsetBytes + lengthBytes;
    for (const stream of this.#streams) {
      if (Math.abs(offsetBytes - stream.end) > NEAR_BYTES) continue;
      this.#streams.delete(stream);
      this.#streams.add(stream);
      if (end <= stream.end) return undefined;
      stream.end = end;
      stream.readBytes += lengthBytes;
      return stream.readBytes >= BELIEVED_BYTES ? end : undefined;
    }
    this.#streams.add({ end, readBytes: lengthBytes });
    for (const oldest of this.#streams) {
      if (this.#streams.size <= MAX_STREAMS) break;
      this.#streams.delete(oldest);
    }
    return undefined;
  }
}
