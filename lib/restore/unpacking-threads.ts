/** Threads that decompress and check frames, so that the thread that fetches and writes is free for that. */

import { Worker } from 'node:worker_threads';
import type { FrameUnpacker, StoredFrame, UnpackedFrame } from '#lib/vault/unpack-frames.ts';

export interface UnpackingAnswer {
  readonly id: number;
  readonly frames: readonly UnpackedFrame[];
}

interface Thread {
  readonly worker: Worker;
  readonly waiting: Map<number, PromiseWithResolvers<readonly UnpackedFrame[]>>;
}

export class UnpackingThreads implements FrameUnpacker, AsyncDisposable {
  readonly #threads: readonly Thread[];
  #jobs = 0;

  constructor(count: number) {
    this.#threads = Array.from({ length: count }, () => startThread());
  }

  /** The thread with the least to do takes it. `stored` cannot be used by the caller any more. */
  unpack(stored: Buffer, frames: readonly StoredFrame[]): Promise<readonly UnpackedFrame[]> {
    const thread = this.#threads.reduce((a, b) => (b.waiting.size < a.waiting.size ? b : a));
    const id = this.#jobs++;
    const job = Promise.withResolvers<readonly UnpackedFrame[]>();
    thread.waiting.set(id, job);
    const { buffer } = stored;
    // Small buffers share their memory with others and are copied; large ones go over as they are.
    const isOwner = buffer instanceof ArrayBuffer && buffer.byteLength === stored.byteLength;
    thread.worker.postMessage({ id, stored, frames }, isOwner ? [buffer] : []);
    return job.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }
}

function startThread(): Thread {
  // A diagnostic report has a part for each thread, and what the process says of its environment does not hold for them.
  const worker = new Worker(new URL('./unpacking-thread.ts', import.meta.url), { execArgv: ['--report-exclude-env'] });
  const waiting: Thread['waiting'] = new Map();
  worker.on('message', ({ id, frames }: UnpackingAnswer) => {
    waiting.get(id)?.resolve(frames);
    waiting.delete(id);
  });
  // Only a defect or a lack of memory ends a thread: nothing that waits for it will be done.
  worker.on('error', (error) => {
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  });
  return { worker, waiting };
}
