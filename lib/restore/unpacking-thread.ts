/** The other side of unpacking-threads.ts: one thread's loop. */

import { parentPort } from 'node:worker_threads';
import { type StoredFrame, unpackFrames } from '#lib/vault/unpack-frames.ts';
import type { UnpackingAnswer } from './unpacking-threads.ts';

interface UnpackingJob {
  readonly id: number;
  readonly stored: Uint8Array;
  readonly frames: readonly StoredFrame[];
}

parentPort?.on('message', ({ id, stored, frames }: UnpackingJob) => {
  const answer: UnpackingAnswer = { id, frames: unpackFrames(stored, frames) };
  const memory = answer.frames.flatMap((frame) => (frame.kind === 'content' ? [frame.content.buffer] : []));
  parentPort?.postMessage(
    answer,
    memory.filter((buffer) => buffer instanceof ArrayBuffer),
  );
});
