/** A place to run definitions: virtual time, scripted functions, objects in memory. */

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '#lib/clock.ts';
import type { Execution } from '#local/states/execution.ts';
import type { HistoryEvent } from '#local/states/history.ts';
import type { FunctionAnswer, WorkflowPorts } from '#local/states/ports.ts';
import { Workflows } from '#local/states/workflows.ts';

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

/** Time that stands still while anything can run, and then jumps to the next sleeper. */
export class VirtualClock implements Clock {
  /** How long each completed or pending sleep was asked to last, in order. */
  readonly sleepsMs: number[] = [];
  readonly #sleepers = new Set<Sleeper>();
  #nowMs = Date.parse('2026-11-21T01:00:00Z');

  /** How many sleeps have neither ended nor been called off. */
  get sleeping(): number {
    return this.#sleepers.size;
  }

  now(): Date {
    return new Date(this.#nowMs);
  }

  async sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.sleepsMs.push(durationMs);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sleeper = { atMs: this.#nowMs + durationMs, wake: resolve };
    this.#sleepers.add(sleeper);
    const onAbort = (): void => reject(signal?.reason);
    signal?.addEventListener('abort', onAbort);
    try {
      await promise;
    } finally {
      this.#sleepers.delete(sleeper);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Lets time pass until `done`; fakes answer within a few turns of the event loop, so five idle turns mean waiting. */
  async runUntil(done: Promise<unknown>): Promise<void> {
    let over = false;
    void done.finally(() => {
      over = true;
    });
    while (!over) {
      for (let turn = 0; turn < 5; turn += 1) await nextTurn();
      const [earliest] = [...this.#sleepers].toSorted((a, b) => a.atMs - b.atMs);
      if (over || earliest === undefined) continue;
      this.#nowMs = earliest.atMs;
      earliest.wake();
    }
  }
}

export type Handler = (payload: { readonly [field: string]: unknown }) => unknown;

/** Thrown by a scripted function to end its invocation the way Lambda reports it. */
export class HandlerError extends Error {
  readonly answer: FunctionAnswer;
  constructor(answer: FunctionAnswer) {
    super(JSON.stringify(answer));
    this.answer = answer;
  }
}
export const fails = (errorType: string, errorMessage = ''): HandlerError =>
  new HandlerError({ kind: 'error', errorType, errorMessage, trace: [] });

export const MACHINE_ARN = 'arn:aws:states:us-east-1:123456789012:stateMachine:test';
export const FUNCTION_ARN = 'arn:aws:lambda:us-east-1:123456789012:function:';

export class Bench {
  readonly clock = new VirtualClock();
  readonly objects = new Map<string, Uint8Array>();
  readonly functions = new Map<string, Handler>();
  /** What $random and jitter draw, in turn; 0.5 when there is nothing left. */
  readonly fractions: number[] = [];
  readonly payloads: unknown[] = [];
  waitFactor = 1;
  #uuids = 0;

  workflows(definitions: Record<string, object>, onEvent?: (event: HistoryEvent) => void): Workflows {
    const machines = Object.entries(definitions).map(([name, definition]) => ({
      arn: MACHINE_ARN.replace(/test$/, name),
      definition: JSON.parse(JSON.stringify({ QueryLanguage: 'JSONata', ...definition })),
    }));
    const ports: WorkflowPorts = {
      clock: this.clock,
      waitFactor: this.waitFactor,
      randomness: {
        fraction: () => this.fractions.shift() ?? 0.5,
        uuid: () => {
          this.#uuids += 1;
          return `00000000-0000-4000-8000-${String(this.#uuids).padStart(12, '0')}`;
        },
      },
      functions: { invoke: (arn, payload) => this.#invoke(arn, payload) },
      objects: {
        get: async ({ bucket, key }) => {
          const body = this.objects.get(`${bucket}/${key}`);
          if (body === undefined) throw new Error(`NoSuchKey ${bucket}/${key}`);
          return body;
        },
        put: async ({ bucket, key }, body) => {
          this.objects.set(`${bucket}/${key}`, body);
        },
      },
    };
    return new Workflows(machines, ports, onEvent);
  }

  /** Runs one definition to its end. */
  async run(definition: object, input: unknown = {}): Promise<Execution> {
    const execution = await this.workflows({ test: definition }).start({ stateMachineArn: MACHINE_ARN, input });
    await this.clock.runUntil(execution.finished);
    return execution;
  }

  async #invoke(arn: string, payload: unknown): Promise<FunctionAnswer> {
    this.payloads.push(payload);
    const handler = this.functions.get(arn.replace(FUNCTION_ARN, ''));
    if (handler === undefined) return { kind: 'refused', name: 'ResourceNotFoundException', message: arn };
    try {
      return { kind: 'success', payload: (await handler(payload as Record<string, unknown>)) ?? null };
    } catch (error) {
      if (error instanceof HandlerError) return error.answer;
      throw error;
    }
  }
}

/** A Task that calls a scripted function and answers its payload. */
export const invoke = (name: string, fields: object = {}): object => ({
  Type: 'Task',
  Resource: 'arn:aws:states:::lambda:invoke',
  Arguments: { FunctionName: FUNCTION_ARN + name, Payload: '{% $states.input %}' },
  Output: '{% $states.result.Payload %}',
  End: true,
  ...fields,
});

export const startAt = (StartAt: string, States: Record<string, object>, fields: object = {}): object => ({
  StartAt,
  States,
  ...fields,
});

/** Types of an execution's events, in order. */
export const eventTypes = ({ history }: Execution): string[] => history.map(({ type }) => type);
