/** The history of an execution: what happened, in the event names of Step Functions, with every input and output. */

import type { Clock } from '#lib/clock.ts';
import { MAX_HISTORY_EVENTS } from './limits.ts';
import { RUNTIME, StateFailed } from './state-failed.ts';

/** What an event carries beyond its type: the service's detail fields, flattened. */
export interface EventDetails {
  /** The state, or the Map state of an iteration. */
  readonly name?: string;
  readonly index?: number;
  readonly input?: unknown;
  readonly output?: unknown;
  readonly assignedVariables?: Readonly<Record<string, unknown>>;
  readonly resource?: string;
  readonly parameters?: unknown;
  readonly error?: string;
  readonly cause?: string;
  readonly mapRunArn?: string;
  readonly length?: number;
}

export interface HistoryEvent extends EventDetails {
  /** From 1, without gaps. */
  readonly id: number;
  readonly timestamp: Date;
  readonly type: string;
}

/** Appends events until the quota of the service is reached, which ends the execution as it does in AWS. */
export class History {
  readonly events: HistoryEvent[] = [];
  readonly #clock: Clock;
  readonly #onEvent: (event: HistoryEvent) => void;

  constructor(clock: Clock, onEvent: (event: HistoryEvent) => void) {
    this.#clock = clock;
    this.#onEvent = onEvent;
  }

  /** Throws States.Runtime instead of writing the last event: that one is kept for how the execution ended. */
  add(type: string, details: EventDetails = {}): void {
    if (this.events.length >= MAX_HISTORY_EVENTS - 1) {
      throw new StateFailed({
        error: RUNTIME,
        explanation: `the execution reached ${MAX_HISTORY_EVENTS} history events; move the loop into a distributed Map or a child`,
      });
    }
    this.close(type, details);
  }

  /** Writes the event that ends the execution; it always fits. */
  close(type: string, details: EventDetails = {}): void {
    const event = { id: this.events.length + 1, timestamp: this.#clock.now(), type, ...details };
    this.events.push(event);
    this.#onEvent(event);
  }
}
