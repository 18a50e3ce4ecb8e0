/** One execution from its start to its end, with its history. */

import type { MachineDefinition } from './definition.ts';
import { History, type HistoryEvent } from './history.ts';
import { runBlock } from './interpreter.ts';
import { MAX_PAYLOAD_BYTES } from './limits.ts';
import type { WorkflowPorts } from './ports.ts';
import { limitBytes, RUNTIME, StateFailed, TIMEOUT, WorkHalted } from './state-failed.ts';
import type { ChildEnd, ChildStarter, Run } from './visit.ts';

export interface ExecutionSettings {
  readonly arn: string;
  readonly name: string;
  readonly stateMachineArn: string;
  readonly definition: MachineDefinition;
  readonly input: unknown;
  readonly ports: WorkflowPorts;
  readonly children: ChildStarter;
  readonly onEvent: (event: HistoryEvent) => void;
  /** Only for the child of a distributed Map. */
  readonly mapRunArn?: string;
  readonly parentArn?: string;
}

/** How an execution ends. Only `TIMED_OUT` and `ABORTED` come from outside its states. */
interface End {
  readonly status: ChildEnd['status'];
  readonly output?: unknown;
  readonly error?: string | undefined;
  readonly cause?: string | undefined;
}

const ENDING_EVENTS = {
  RUNNING: 'ExecutionStarted',
  SUCCEEDED: 'ExecutionSucceeded',
  FAILED: 'ExecutionFailed',
  TIMED_OUT: 'ExecutionTimedOut',
  ABORTED: 'ExecutionAborted',
} as const;

/** Why the states of an execution were halted from outside. */
class ExecutionHalted extends WorkHalted {
  static override readonly failureName = 'ExecutionHalted';
  readonly end: End;

  constructor(end: End) {
    super(`the execution is ${end.status}`);
    this.end = end;
  }
}

export class Execution implements ChildEnd {
  readonly executionArn: string;
  readonly name: string;
  readonly stateMachineArn: string;
  readonly input: unknown;
  readonly startDate: Date;
  readonly mapRunArn: string | undefined;
  /** The execution whose distributed Map started this one. */
  readonly parentArn: string | undefined;
  /** Resolves when the execution has ended, however it ended. */
  readonly finished: Promise<void>;
  readonly #settings: ExecutionSettings;
  readonly #history: History;
  readonly #halt = new AbortController();
  readonly #resolveFinished: () => void;
  #end: End = { status: 'RUNNING' };
  #stopDate: Date | undefined;
  #transitions = 0;

  constructor(settings: ExecutionSettings) {
    this.#settings = settings;
    this.executionArn = settings.arn;
    this.name = settings.name;
    this.stateMachineArn = settings.stateMachineArn;
    this.input = settings.input;
    this.mapRunArn = settings.mapRunArn;
    this.parentArn = settings.parentArn;
    this.startDate = settings.ports.clock.now();
    this.#history = new History(settings.ports.clock, settings.onEvent);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.finished = promise;
    this.#resolveFinished = resolve;
  }

  get status(): ChildEnd['status'] {
    return this.#end.status;
  }
  get output(): unknown {
    return this.#end.output;
  }
  get error(): string | undefined {
    return this.#end.error;
  }
  get cause(): string | undefined {
    return this.#end.cause;
  }
  get stopDate(): Date | undefined {
    return this.#stopDate;
  }
  get history(): readonly HistoryEvent[] {
    return this.#history.events;
  }
  /** Billed state transitions of this execution alone: states entered and retries. Children count their own. */
  get transitions(): number {
    return this.#transitions;
  }

  stop(reason: { error?: string; cause?: string }): void {
    this.#halt.abort(new ExecutionHalted({ status: 'ABORTED', ...reason }));
  }

  /** Runs to the end; called once, by who created the execution. Never rejects. */
  async run(): Promise<void> {
    const end = await this.#endOfStates();
    this.#end = end;
    this.#stopDate = this.#settings.ports.clock.now();
    const { status, ...details } = end;
    this.#history.close(ENDING_EVENTS[status], details);
    this.#resolveFinished();
  }

  /** However it is halted, every branch has come to its end before this returns: no event follows the last one. */
  async #endOfStates(): Promise<End> {
    const { definition, input } = this.#settings;
    const ended = new AbortController();
    const { signal } = this.#halt;
    const expiry = this.#expire(ended.signal);
    try {
      this.#history.add(ENDING_EVENTS.RUNNING, { input });
      limitBytes(input, 'the input of the execution', MAX_PAYLOAD_BYTES);
      const frame = { run: this.#asRun(), scope: { variables: new Map(), outer: undefined }, signal, item: undefined };
      return { status: 'SUCCEEDED', output: await runBlock(definition, input, frame) };
    } catch (error) {
      return endBy(error);
    } finally {
      ended.abort(new WorkHalted('the execution ended'));
      await expiry;
    }
  }

  /** Halts the execution at the machine's TimeoutSeconds, unless it ends before. */
  async #expire(ended: AbortSignal): Promise<void> {
    const { TimeoutSeconds } = this.#settings.definition;
    if (TimeoutSeconds === undefined) return;
    try {
      await this.#settings.ports.clock.sleep(TimeoutSeconds * 1000, ended);
    } catch (error) {
      if (ended.aborted) return;
      throw error;
    }
    const cause = `the execution did not end within ${TimeoutSeconds} s`;
    this.#halt.abort(new ExecutionHalted({ status: 'TIMED_OUT', error: TIMEOUT, cause }));
  }

  #asRun(): Run {
    const { ports, children, input } = this.#settings;
    return {
      executionArn: this.executionArn,
      executionName: this.name,
      stateMachineArn: this.stateMachineArn,
      startTime: this.startDate,
      input,
      ports,
      children,
      record: (type, details) => this.#history.add(type, details),
      countTransition: () => {
        this.#transitions += 1;
      },
      runBlock,
      events: this.#history.events,
    };
  }
}

function endBy(error: unknown): End {
  if (error instanceof ExecutionHalted) return error.end;
  if (error instanceof StateFailed) return { status: 'FAILED', error: error.error, cause: error.explanation };
  return { status: 'FAILED', error: RUNTIME, cause: error instanceof Error ? error.message : String(error) };
}
