/**
 * An image file that has its name only when it is whole.
 *
 * ```
 *  create: image.partial.json (which point this is) -> image.partial, written in any order, killed at any time
 *  again:  the same point -> goes on with image.partial; another point -> refused
 *  finish: sync -> rename image.partial to image -> remove image.partial.json
 * ```
 *
 * What image.partial holds after an interruption is not trusted: whoever goes on compares it with the vault's digests.
 */

import { type FileHandle, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Failure } from '#lib/failure.ts';
import type { Bytes } from '#lib/units.ts';

/** The place to restore to is taken, or cannot be written. */
export class TargetUnusable extends Failure {
  static override readonly failureName = 'TargetUnusable';
}

export interface ImageFileSettings {
  readonly fileBytes: Bytes;
  /** Says which content this is to become; a leftover with another identity is never gone on with. */
  readonly identity: string;
}

export class ImageFile implements AsyncDisposable {
  /** Whether an interrupted attempt left bytes here. */
  readonly resumed: boolean;
  readonly #path: string;
  readonly #file: FileHandle;
  #closed = false;

  private constructor(path: string, file: FileHandle, resumed: boolean) {
    this.#path = path;
    this.#file = file;
    this.resumed = resumed;
  }

  /** Throws TargetUnusable for a file that exists: a restore never overwrites what may be the last copy. */
  static async open(path: string, { fileBytes, identity }: ImageFileSettings): Promise<ImageFile> {
    if (await exists(path)) throw new TargetUnusable(`${path} exists already; name another file or move it away`);
    const { partial, marker } = besides(path);
    return writing(partial, async () => {
      const resumed = await exists(partial);
      if (resumed && (await contentOf(marker)) !== identity) {
        throw new TargetUnusable(
          `${partial} is left of another restore; remove it and ${marker}, or name another file`,
        );
      }
      // The marker is there before the first byte, so that no leftover is ever without one.
      await writeFile(marker, identity, { flush: true });
      const file = await open(partial, resumed ? 'r+' : 'wx+');
      await file.truncate(fileBytes);
      return new ImageFile(path, file, resumed);
    });
  }

  write(offsetBytes: Bytes, data: Buffer): Promise<void> {
    return writing(besides(this.#path).partial, () => writeFully(this.#file, offsetBytes, data));
  }

  read(offsetBytes: Bytes, lengthBytes: Bytes): Promise<Buffer> {
    return readFully(this.#file, offsetBytes, lengthBytes);
  }

  /** Makes the content durable, then gives the file its name. */
  async finish(): Promise<void> {
    const { partial, marker } = besides(this.#path);
    await writing(partial, async () => {
      await this.#file.sync();
      await this[Symbol.asyncDispose]();
      if (await exists(this.#path)) throw new TargetUnusable(`${this.#path} was made by somebody else meanwhile`);
      await rename(partial, this.#path);
      await rm(marker);
      await using folder = await open(dirname(this.#path));
      await folder.sync();
    });
  }

  /** Leaves the partial file for the next attempt. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#file.close();
  }
}

const besides = (path: string) => ({ partial: `${path}.partial`, marker: `${path}.partial.json` });

export async function writeFully(file: FileHandle, offsetBytes: Bytes, data: Buffer): Promise<void> {
  for (let done = 0; done < data.length; ) {
    done += (await file.write(data, done, data.length - done, offsetBytes + done)).bytesWritten;
  }
}

/** Less than `lengthBytes` only where the file ends. */
export async function readFully(file: FileHandle, offsetBytes: Bytes, lengthBytes: Bytes): Promise<Buffer> {
  const data = Buffer.allocUnsafe(lengthBytes);
  let done = 0;
  while (done < lengthBytes) {
    const { bytesRead } = await file.read(data, done, lengthBytes - done, offsetBytes + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return data.subarray(0, done);
}

async function exists(path: string): Promise<boolean> {
  return (await unlessAbsent(stat(path))) !== undefined;
}

function contentOf(path: string): Promise<string | undefined> {
  return unlessAbsent(readFile(path, 'utf8'));
}

async function unlessAbsent<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw cause;
  }
}

/** Translates what the file system says, naming the file. */
export async function writing<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TargetUnusable(
      `${path} cannot be written (${reason}); check the folder or the device, your permissions and the room there`,
      { cause },
    );
  }
}
