/** Decompresses fetched frames and checks their grains: pure work, so that it can be done in another thread. */

import { DamagedObject } from '#lib/format/failures.ts';
import { decodeFrame } from '#lib/format/frame.ts';
import { DIGEST_BYTES, grainDigest } from '#lib/format/grain-content.ts';
import { type Bytes, GRAIN_BYTES } from '#lib/units.ts';

/** A frame within the fetched bytes. Plain data: it crosses to another thread. */
export interface StoredFrame {
  readonly start: Bytes;
  readonly end: Bytes;
  readonly grains: number;
  /** What to call it when it is damaged. */
  readonly where: string;
  /** Digests of all grains of the frame, one behind the other. */
  readonly digests: Uint8Array;
  /** Positions within the frame whose content is wanted. */
  readonly wanted: readonly number[];
}

export type UnpackedFrame =
  | { readonly kind: 'content'; readonly content: Uint8Array; readonly damaged: readonly number[] }
  | { readonly kind: 'undecodable'; readonly message: string };

/** Whoever unpacks may keep `stored`: its memory may be handed to another thread. */
export interface FrameUnpacker {
  unpack(stored: Buffer, frames: readonly StoredFrame[]): Promise<readonly UnpackedFrame[]>;
}

export function unpackFrames(stored: Uint8Array, frames: readonly StoredFrame[]): UnpackedFrame[] {
  return frames.map((frame) => unpackFrame(stored.subarray(frame.start, frame.end), frame));
}

function unpackFrame(stored: Uint8Array, { grains, where, digests, wanted }: StoredFrame): UnpackedFrame {
  try {
    const content = decodeFrame(bufferOf(stored), { grains, where });
    const damaged = wanted.filter((position) => {
      const grain = content.subarray(position * GRAIN_BYTES, (position + 1) * GRAIN_BYTES);
      const expected = digests.subarray(position * DIGEST_BYTES, (position + 1) * DIGEST_BYTES);
      return !grainDigest(grain).equals(expected);
    });
    return { kind: 'content', content, damaged };
  } catch (failure) {
    if (!(failure instanceof DamagedObject)) throw failure;
    return { kind: 'undecodable', message: failure.message };
  }
}

/** The same memory as a Buffer: what comes from another thread is a plain array. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Unpacks at once, in this thread. */
export const unpackHere: FrameUnpacker = {
  unpack: (stored, frames) => Promise.resolve(unpackFrames(stored, frames)),
};
