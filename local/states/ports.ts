/** What an execution needs from outside: functions to call, objects to read and write, time and chance. */

import type { Clock } from '#lib/clock.ts';

/** How an invocation ended. `error` carries what the handler threw or how its sandbox died, as Lambda words it. */
export type FunctionAnswer =
  | { readonly kind: 'success'; readonly payload: unknown }
  | {
      readonly kind: 'error';
      readonly errorType: string;
      readonly errorMessage: string;
      readonly trace: readonly string[];
    }
  /** Lambda did not run the function at all: `name` is the exception without its `Lambda.` prefix. */
  | { readonly kind: 'refused'; readonly name: string; readonly message: string };

export interface FunctionInvoker {
  /**
   * Runs the function to its end. An execution that times out or is stopped forgets the answer, but the function runs
   * on, as it does in AWS; whoever owns the invoker ends it.
   */
  invoke(functionArn: string, payload: unknown): Promise<FunctionAnswer>;
}

export interface ObjectLocation {
  readonly bucket: string;
  readonly key: string;
}

/** S3 as ItemReader and ResultWriter use it. */
export interface ObjectAccess {
  /** Rejects when there is no such object. */
  get(location: ObjectLocation): Promise<Uint8Array>;
  put(location: ObjectLocation, body: Uint8Array): Promise<void>;
}

export interface Randomness {
  /** At least 0, less than 1. */
  fraction(): number;
  uuid(): string;
}

export interface WorkflowPorts {
  readonly functions: FunctionInvoker;
  readonly objects: ObjectAccess;
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** Wait states and pauses between retries last this much of their time; time-outs are never shortened. */
  readonly waitFactor?: number;
}
