/** Compares two files byte for byte. */

import { type FileHandle, open } from 'node:fs/promises';

const PIECE_BYTES = 4 * 1_048_576;

export async function identical(first: string, second: string): Promise<boolean> {
  await using a = await open(first);
  await using b = await open(second);
  const { size } = await a.stat();
  if (size !== (await b.stat()).size) return false;
  const [left, right] = [Buffer.alloc(PIECE_BYTES), Buffer.alloc(PIECE_BYTES)];
  for (let at = 0; at < size; at += PIECE_BYTES) {
    const bytes = Math.min(PIECE_BYTES, size - at);
    await Promise.all([fill(a, left, { at, bytes }), fill(b, right, { at, bytes })]);
    if (!left.subarray(0, bytes).equals(right.subarray(0, bytes))) return false;
  }
  return true;
}

async function fill(file: FileHandle, target: Buffer, { at, bytes }: { at: number; bytes: number }): Promise<void> {
  for (let done = 0; done < bytes; ) {
    const { bytesRead } = await file.read(target, done, bytes - done, at + done);
    if (bytesRead === 0) throw new RangeError('the file ended while it was read');
    done += bytesRead;
  }
}
