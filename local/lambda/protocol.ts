/**
 * What the host and a sandbox tell each other over Node's IPC channel. Payloads travel as JSON text, so that their size
 * is what Lambda would count.
 *
 *   host                                sandbox
 *    |-- spawn, put under the memory cap -->|
 *    |-- load ----------------------------->|  imports the bundle
 *    |<------------- loaded | failed -------|
 *    |-- invoke --------------------------->|  one at a time
 *    |<------------- answered | failed -----|
 */

export interface LoadMessage {
  readonly kind: 'load';
  readonly directory: string;
  /** `file.export`, as a template's Handler says it. */
  readonly handler: string;
}

export interface InvokeMessage {
  readonly kind: 'invoke';
  readonly requestId: string;
  readonly functionArn: string;
  readonly functionName: string;
  readonly memoryMb: number;
  /** Milliseconds since 1970 at which the sandbox is killed. */
  readonly deadlineMs: number;
  readonly payload: string;
}

export type SandboxMessage =
  | { readonly kind: 'loaded' }
  | { readonly kind: 'answered'; readonly payload: string }
  /** `fatal` when the sandbox cannot be used again: it exits by itself. */
  | {
      readonly kind: 'failed';
      readonly errorType: string;
      readonly errorMessage: string;
      readonly trace: readonly string[];
      readonly fatal: boolean;
    };

/** Synchronous payloads of Lambda in either direction: 6 MB plus what the service allows for its envelope. */
export const MAX_PAYLOAD_BYTES = 6_291_556;
