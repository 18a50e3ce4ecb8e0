/** A sparse raw file as restore target. It has its name only when it is whole: until then it ends in `.partial`. */

import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { Failure } from '#lib/failure.ts';
import type { Bytes } from '#lib/units.ts';
import type { BlockSink } from './restore-image.ts';

/** The file to restore into is there already, or cannot be written. */
export class TargetUnusable extends Failure {
  static override readonly failureName = 'TargetUnusable';
}

export class RawFile implements BlockSink {
  readonly #path: string;
  readonly #partial: string;
  readonly #file: FileHandle;

  private constructor(path: string, partial: string, file: FileHandle) {
    this.#path = path;
    this.#partial = partial;
    this.#file = file;
  }

  /** Throws TargetUnusable for a file that exists: a restore never overwrites what may be the last copy. */
  static async create(path: string, diskBytes: Bytes): Promise<RawFile> {
    if (await exists(path)) throw new TargetUnusable(`${path} exists already; name another file or move it away`);
    const partial = `${path}.partial`;
    try {
      const file = await open(partial, 'w');
      await file.truncate(diskBytes);
      return new RawFile(path, partial, file);
    } catch (cause) {
      throw new TargetUnusable(`${partial} cannot be written: ${reasonOf(cause)}`, { cause });
    }
  }

  async write(offsetBytes: Bytes, data: Buffer): Promise<void> {
    try {
      for (let done = 0; done < data.length; ) {
        done += (await this.#file.write(data, done, data.length - done, offsetBytes + done)).bytesWritten;
      }
    } catch (cause) {
      throw new TargetUnusable(`writing to ${this.#partial} failed: ${reasonOf(cause)}`, { cause });
    }
  }

  /** Makes the content durable, then gives the file its name. */
  async finish(): Promise<void> {
    await this.#file.sync();
    await this.#file.close();
    await rename(this.#partial, this.#path);
  }

  async discard(): Promise<void> {
    await this.#file.close();
    await rm(this.#partial, { force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return false;
    throw new TargetUnusable(`${path} cannot be looked at: ${reasonOf(cause)}`, { cause });
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
