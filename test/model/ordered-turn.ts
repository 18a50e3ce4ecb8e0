/** Turns that come in the order in which they were asked for, so that a seed repeats its trace exactly. */

import { randomFill } from 'node:crypto';

/** Environment of a process whose traces are to repeat: with one thread the pool is a queue. */
export const ONE_THREAD = { UV_THREADPOOL_SIZE: '1' };

const nothing = Buffer.alloc(1);

/**
 * A turn behind everything that is compressed at the moment. Compression runs in libuv's pool, so a turn of the event loop
 * overtakes it or not as the machine's load has it, and steps that run together would draw their numbers in another order
 * each time. The pool's cheapest job waits in the same queue instead.
 */
export function orderedTurn(): Promise<void> {
  return new Promise((resolve) => randomFill(nothing, () => resolve()));
}
