/** One child process that runs one function, one invocation at a time. */

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { FunctionAnswer } from '#local/states/ports.ts';
import { type MemoryCap, residentBytes } from './memory-cap.ts';
import { type InvokeMessage, MAX_PAYLOAD_BYTES, type SandboxMessage } from './protocol.ts';

export interface SandboxSettings {
  /** Folder with the bundle, outside of any project so that no package.json changes how Node reads it. */
  readonly directory: string;
  readonly handler: string;
  readonly memoryMb: number;
  /** The whole environment of the process. */
  readonly environment: Readonly<Record<string, string>>;
  readonly cap: MemoryCap;
  readonly onLine: (stream: 'stdout' | 'stderr', line: string) => void;
}

/** Lambda's own limit for a cold start; what takes longer is begun again, and has the function's own time limit then. */
const LOAD_TIMEOUT_MS = 10_000;
/** V8 gets this much of the memory, as in Lambda; the rest is for buffers and Node itself. */
const HEAP_SHARE = 0.9;

type Ended = Extract<FunctionAnswer, { kind: 'error' }>;
export type SandboxAnswer = FunctionAnswer & { readonly reusable: boolean };

export class Sandbox {
  readonly #child: ChildProcess;
  readonly #settings: SandboxSettings;
  readonly #exit: Promise<void>;
  #onMessage: (message: SandboxMessage) => void = () => undefined;
  #killedFor: Ended | undefined;

  constructor(settings: SandboxSettings) {
    this.#settings = settings;
    const heap =
      settings.cap.by === 'nothing' ? [] : [`--max-old-space-size=${Math.floor(settings.memoryMb * HEAP_SHARE)}`];
    this.#child = spawn(process.execPath, [...heap, join(import.meta.dirname, 'sandbox-main.ts')], {
      cwd: settings.directory,
      env: { ...settings.environment },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#exit = promise;
    this.#child.on('exit', () => resolve());
    this.#child.on('message', (message: SandboxMessage) => this.#onMessage(message));
    // A process that could not be started has no exit; it ends here.
    this.#child.on('error', () => resolve());
    this.#readLines('stdout');
    this.#readLines('stderr');
  }

  /** False once the process has ended, for whatever reason. */
  get alive(): boolean {
    return this.#child.connected && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Starts the function's code under the memory cap; an error when the bundle cannot be loaded. */
  async load(timeoutMs: number): Promise<Ended | undefined> {
    const { cap, directory, handler } = this.#settings;
    const { pid } = this.#child;
    if (pid !== undefined) await cap.attach(pid, () => this.#child.kill('SIGKILL'));
    const answer = await this.#exchange({ kind: 'load', directory, handler }, Math.max(LOAD_TIMEOUT_MS, timeoutMs));
    return answer.kind === 'error' ? answer : undefined;
  }

  /** Runs one invocation, killing the process when it takes longer than `timeoutMs`. */
  async invoke(message: InvokeMessage, timeoutMs: number): Promise<SandboxAnswer> {
    return this.#exchange(message, timeoutMs);
  }

  /** Peak resident memory so far; undefined when the process is gone. */
  async peakBytes(): Promise<number | undefined> {
    return this.#child.pid === undefined ? undefined : residentBytes(this.#child.pid, 'VmHWM');
  }

  /** Ends the process whatever it does, and waits until it is gone. */
  async end(): Promise<void> {
    this.#kill(ended('Runtime.ExitError', 'the local Lambda host ended the sandbox'));
    await this.#exit;
    await this.#settings.cap.release();
  }

  #kill(reason: Ended): void {
    this.#killedFor ??= reason;
    this.#child.kill('SIGKILL');
  }

  /** Sends one message and waits for its answer, the end of the process, or the time-out. */
  async #exchange(message: object, timeoutMs: number): Promise<SandboxAnswer> {
    const { promise: answered, resolve } = Promise.withResolvers<SandboxMessage>();
    this.#onMessage = resolve;
    const seconds = (timeoutMs / 1000).toFixed(2);
    const timer = setTimeout(() => {
      this.#kill(ended('Sandbox.Timedout', `Task timed out after ${seconds} seconds`));
    }, timeoutMs);
    try {
      // A message to a process that has just died fails; its exit says what happened.
      if (this.#child.connected) this.#child.send(message, () => undefined);
      return await Promise.race([answered.then(answerOf), this.#endOfProcess()]);
    } finally {
      clearTimeout(timer);
      this.#onMessage = () => undefined;
    }
  }

  async #endOfProcess(): Promise<SandboxAnswer> {
    await this.#exit;
    if (this.#killedFor !== undefined) return { ...this.#killedFor, reusable: false };
    if (await this.#settings.cap.exceeded()) {
      const text = `Runtime exited with error: signal: killed; more than ${this.#settings.memoryMb} MB of memory used`;
      return { ...ended('Runtime.OutOfMemory', text), reusable: false };
    }
    const { exitCode, signalCode } = this.#child;
    const how = signalCode === null ? `exit status ${exitCode}` : `signal: ${signalCode}`;
    const text = exitCode === 0 ? 'Runtime exited without providing a reason' : `Runtime exited with error: ${how}`;
    return { ...ended('Runtime.ExitError', text), reusable: false };
  }

  #readLines(stream: 'stdout' | 'stderr'): void {
    const input = this.#child[stream];
    if (input === null) return;
    createInterface({ input }).on('line', (line) => this.#settings.onLine(stream, line));
  }
}

function ended(errorType: string, errorMessage: string): Ended {
  return { kind: 'error', errorType, errorMessage, trace: [] };
}

function answerOf(message: SandboxMessage): SandboxAnswer {
  switch (message.kind) {
    case 'loaded':
      return { kind: 'success', payload: undefined, reusable: true };
    case 'failed': {
      const { errorType, errorMessage, trace, fatal } = message;
      return { kind: 'error', errorType, errorMessage, trace, reusable: !fatal };
    }
    case 'answered': {
      const bytes = Buffer.byteLength(message.payload);
      if (bytes <= MAX_PAYLOAD_BYTES) {
        return { kind: 'success', payload: JSON.parse(message.payload), reusable: true };
      }
      const text = `Response payload size (${bytes} bytes) exceeded maximum allowed payload size (${MAX_PAYLOAD_BYTES} bytes).`;
      return { ...ended('Function.ResponseSizeTooLarge', text), reusable: true };
    }
  }
}
