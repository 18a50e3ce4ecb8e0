/** The bytes of objects and parts: files of their own, written once, removed when nobody refers to or reads them. */

import { randomBytes } from 'node:crypto';
import { createReadStream, mkdirSync } from 'node:fs';
import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Segment } from './records.ts';

/** Larger writes cost memory per upload, smaller ones system calls. */
const WRITE_BYTES = 1024 * 1024;
const READ_BYTES = 512 * 1024;

/** Files in use by one answer. */
export interface Reading extends Disposable {
  /** Bytes [start, end) of all the segments in a row. */
  bytesOf(range: { start: number; end: number }): AsyncGenerator<Buffer>;
}

export class DataFiles {
  readonly #folder: string;
  readonly #durable: boolean;
  /** How many answers are reading from a file. */
  readonly #readers = new Map<string, number>();
  /** Files nobody refers to any more, which wait for their readers. */
  readonly #doomed = new Set<string>();

  /** `durable`: bytes are on the disk, not only with the operating system, before a file counts as written. */
  constructor(folder: string, { durable }: { durable: boolean }) {
    this.#folder = folder;
    this.#durable = durable;
    mkdirSync(folder, { recursive: true });
  }

  /** Writes what `source` yields; nothing is left behind when it throws. */
  async write(source: AsyncIterable<Buffer>): Promise<Segment> {
    const file = randomBytes(16).toString('hex');
    const path = this.#path(file);
    const handle = await open(path, 'wx');
    try {
      let bytes = 0;
      for await (const batch of batches(source)) {
        const { bytesWritten } = await handle.writev(batch.chunks);
        if (bytesWritten !== batch.bytes) throw new Error(`only ${bytesWritten} of ${batch.bytes} bytes were written`);
        bytes += batch.bytes;
      }
      if (this.#durable) await handle.datasync();
      await handle.close();
      return { file, bytes };
    } catch (error) {
      await handle.close();
      await rm(path, { force: true });
      throw error;
    }
  }

  /** Keeps the segments' files until the reading is disposed: the object may be replaced before its first byte is read. */
  hold(segments: readonly Segment[]): Reading {
    for (const { file } of segments) this.#readers.set(file, (this.#readers.get(file) ?? 0) + 1);
    return {
      bytesOf: (range) => this.#read(segments, range),
      [Symbol.dispose]: () => {
        for (const { file } of segments) this.#release(file);
      },
    };
  }

  async *#read(segments: readonly Segment[], range: { start: number; end: number }): AsyncGenerator<Buffer> {
    let offset = 0;
    for (const { file, bytes } of segments) {
      const start = Math.max(range.start - offset, 0);
      const end = Math.min(range.end - offset, bytes);
      offset += bytes;
      if (start >= end) continue;
      yield* createReadStream(this.#path(file), { start, end: end - 1, highWaterMark: READ_BYTES });
    }
  }

  /** Removes files, now or when their readers are done. */
  remove(segments: readonly Segment[]): void {
    for (const { file } of segments) {
      this.#doomed.add(file);
      this.#removeUnread(file);
    }
  }

  /** Removes every file but these: what a crash left between the writing of a file and that of its record. */
  async keepOnly(files: ReadonlySet<string>): Promise<void> {
    for (const file of await readdir(this.#folder)) {
      if (!files.has(file)) await rm(this.#path(file), { force: true });
    }
  }

  #release(file: string): void {
    const others = (this.#readers.get(file) ?? 1) - 1;
    if (others > 0) this.#readers.set(file, others);
    else this.#readers.delete(file);
    this.#removeUnread(file);
  }

  #removeUnread(file: string): void {
    if (!this.#doomed.has(file) || this.#readers.has(file)) return;
    this.#doomed.delete(file);
    // A file that could not be removed is an orphan, which the next start removes.
    rm(this.#path(file), { force: true }).catch(() => undefined);
  }

  #path(file: string): string {
    return join(this.#folder, file);
  }
}

/** Gathers what comes from a socket in 64 KiB pieces. */
async function* batches(source: AsyncIterable<Buffer>): AsyncGenerator<{ chunks: Buffer[]; bytes: number }> {
  let chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of source) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= WRITE_BYTES) {
      yield { chunks, bytes };
      chunks = [];
      bytes = 0;
    }
  }
  if (bytes > 0) yield { chunks, bytes };
}
