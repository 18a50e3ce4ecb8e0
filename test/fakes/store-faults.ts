/** What can go wrong at the object storage port, on purpose and repeatably. */

import { seededRandom } from './random.ts';

export type StoreOperation =
  | 'put'
  | 'putIfAbsent'
  | 'get'
  | 'head'
  | 'list'
  | 'delete'
  | 'extendLock'
  | 'createMultipartUpload'
  | 'uploadPart'
  | 'completeMultipartUpload'
  | 'abortMultipartUpload'
  | 'listMultipartUploads';

/** One call of the port; `key` is the prefix for listings. */
export interface StoreCall {
  readonly operation: StoreOperation;
  readonly key: string;
}

export type StoreFault =
  /** 503 before anything happened. */
  | 'unavailable'
  /** It happened, and the caller is told that the store is unavailable. */
  | 'lost-answer'
  /** 409: another conditional operation is under way; a Complete has to begin again from the start. */
  | 'conflict'
  /** Other calls overtake this one, on its way there and on its way back. */
  | 'slow'
  /** A Complete fails and the upload is gone with its parts. */
  | 'torn-upload';

/** The process that held the store is dead; nothing it tries afterwards has an effect. */
export class Crashed extends Error {
  override readonly name = 'Crashed';
}

/** Decides for each call. `before` and `after` may throw, `Crashed` for instance, and may be slow. */
export interface StoreFaults {
  before?(call: StoreCall): void | Promise<void>;
  choose?(call: StoreCall): StoreFault | undefined;
  after?(call: StoreCall): void | Promise<void>;
}

/** Each fault with its probability per call, drawn from `seed`; `only` limits where they strike. */
export function seededFaults(settings: {
  seed: number;
  rates: Partial<Record<StoreFault, number>>;
  only?: (call: StoreCall) => boolean;
}): StoreFaults {
  const random = seededRandom(settings.seed);
  const rates = Object.entries(settings.rates) as [StoreFault, number][];
  return {
    choose(call) {
      let left = random();
      if (settings.only?.(call) === false) return undefined;
      for (const [fault, rate] of rates) {
        if (left < rate) return fault;
        left -= rate;
      }
      return undefined;
    },
  };
}

/** `fault` strikes the first call that `where` accepts, and no other. */
export function faultOnce(fault: StoreFault, where: (call: StoreCall) => boolean): StoreFaults {
  let struck = false;
  return {
    choose(call) {
      if (struck || !where(call)) return undefined;
      struck = true;
      return fault;
    },
  };
}

/** The process dies at the `index`-th call (from 0), before it has an effect or right after it had one. */
export function crashAt(index: number, moment: 'before' | 'after'): StoreFaults {
  let calls = 0;
  const die = (call: StoreCall) => {
    if (calls++ === index) throw new Crashed(`died ${moment} ${call.operation} of ${call.key}`);
  };
  return moment === 'before' ? { before: die } : { after: die };
}
