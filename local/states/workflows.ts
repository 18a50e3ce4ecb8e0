/** Step Functions on this machine: starts, describes and stops executions of validated state machines. */

import { Failure } from '#lib/failure.ts';
import type { MachineDefinition } from './definition.ts';
import { Execution, type ExecutionSettings } from './execution.ts';
import type { HistoryEvent } from './history.ts';
import { MAX_NAME_CHARACTERS, MAX_OPEN_EXECUTIONS } from './limits.ts';
import type { WorkflowPorts } from './ports.ts';
import { StateFailed, WorkHalted } from './state-failed.ts';
import { validateDefinition } from './validation.ts';
import { type ChildEnd, type ChildStarter, type MachineChild, type MapChild, stopIfHalted } from './visit.ts';

export interface StateMachine {
  /** `arn:<partition>:states:<region>:<account>:stateMachine:<name>` */
  readonly arn: string;
  /** The definition as parsed JSON, with every CloudFormation reference resolved. */
  readonly definition: unknown;
}

export class StateMachineDoesNotExist extends Failure {
  static override readonly failureName = 'StateMachineDoesNotExist';
}
export class ExecutionDoesNotExist extends Failure {
  static override readonly failureName = 'ExecutionDoesNotExist';
}
/** The name was used for another input, or for an execution that has ended. */
export class ExecutionAlreadyExists extends Failure {
  static override readonly failureName = 'ExecutionAlreadyExists';
}
export class InvalidExecutionName extends Failure {
  static override readonly failureName = 'InvalidExecutionName';
}
export class ExecutionLimitExceeded extends Failure {
  static override readonly failureName = 'ExecutionLimitExceeded';
}

export interface StartRequest {
  readonly stateMachineArn: string;
  /** Without one, a uuid. Starting a running name again with the same input answers that execution. */
  readonly name?: string;
  readonly input?: unknown;
}

/** Characters that the service refuses in an execution name. */
const NOT_IN_NAMES = /[\s:/#%\\^|~`$&,;<>{}[\]?*"]/;

export class Workflows {
  readonly #machines: ReadonlyMap<string, StateMachine>;
  readonly #ports: WorkflowPorts;
  readonly #onEvent: (event: HistoryEvent, executionArn: string) => void;
  readonly #validated = new Map<string, Promise<MachineDefinition>>();
  readonly #executions = new Map<string, Execution>();
  #open = 0;

  constructor(
    machines: Iterable<StateMachine>,
    ports: WorkflowPorts,
    onEvent: (event: HistoryEvent, executionArn: string) => void = () => undefined,
  ) {
    this.#machines = new Map([...machines].map((machine) => [machine.arn, machine]));
    this.#ports = ports;
    this.#onEvent = onEvent;
  }

  /** Every execution ever started here, children included, in the order of their starts. */
  get executions(): readonly Execution[] {
    return [...this.#executions.values()];
  }

  /** Begins an execution; its `finished` promise never rejects. Throws InvalidDefinition before anything ran. */
  async start(request: StartRequest): Promise<Execution> {
    const machine = this.#machines.get(request.stateMachineArn);
    if (machine === undefined) {
      throw new StateMachineDoesNotExist(
        `no state machine ${request.stateMachineArn}; known: ${[...this.#machines.keys()].join(', ')}`,
      );
    }
    const name = request.name ?? this.#ports.randomness.uuid();
    if (name === '' || name.length > MAX_NAME_CHARACTERS || NOT_IN_NAMES.test(name)) {
      throw new InvalidExecutionName(`Step Functions does not take ${JSON.stringify(name)} as an execution name`);
    }
    const definition = await this.#validate(machine);
    const arn = `${machine.arn.replace(':stateMachine:', ':execution:')}:${name}`;
    const known = this.#executions.get(arn);
    const input = request.input ?? {};
    if (known === undefined) return this.#begin({ arn, name, stateMachineArn: machine.arn, definition, input });
    if (known.status === 'RUNNING' && JSON.stringify(known.input) === JSON.stringify(input)) return known;
    throw new ExecutionAlreadyExists(`${arn} is ${known.status}; start it under another name`);
  }

  /** Throws ExecutionDoesNotExist. */
  describe(executionArn: string): Execution {
    const execution = this.#executions.get(executionArn);
    if (execution === undefined) throw new ExecutionDoesNotExist(`there is no execution ${executionArn}`);
    return execution;
  }

  /** Ends the execution as ABORTED; no Catch runs. Functions in flight run on. Not an error when it has ended. */
  stop(executionArn: string, reason: { error?: string; cause?: string } = {}): void {
    this.describe(executionArn).stop(reason);
  }

  /** Stops whatever runs and waits for it. */
  async close(): Promise<void> {
    for (const execution of this.executions) execution.stop({ cause: 'the local runner is closing' });
    await Promise.all(this.executions.map(({ finished }) => finished));
  }

  #validate(machine: StateMachine): Promise<MachineDefinition> {
    const known = this.#validated.get(machine.arn) ?? validateDefinition(machine.definition);
    this.#validated.set(machine.arn, known);
    return known;
  }

  #begin(start: Omit<ExecutionSettings, 'ports' | 'children' | 'onEvent'>): Execution {
    if (this.#open >= MAX_OPEN_EXECUTIONS) {
      throw new ExecutionLimitExceeded(`${this.#open} executions are open; ${start.arn} was not started`);
    }
    this.#open += 1;
    const execution = new Execution({
      ...start,
      ports: this.#ports,
      children: this.#childrenOf(start.arn),
      onEvent: (event) => {
        this.#onEvent(event, start.arn);
      },
    });
    this.#executions.set(start.arn, execution);
    void execution.run().finally(() => {
      this.#open -= 1;
    });
    return execution;
  }

  #childrenOf(parentArn: string): ChildStarter {
    return {
      startMapChild: async ({ definition, mapRunArn, input }: MapChild, signal): Promise<ChildEnd> => {
        const name = this.#ports.randomness.uuid();
        // arn:…:mapRun:<machine>/<label>:<uuid> starts arn:…:execution:<machine>/<label>:<name>.
        const stateMachineArn = mapRunArn.replace(':mapRun:', ':stateMachine:').replace(/:[^:]*$/, '');
        const arn = `${stateMachineArn.replace(':stateMachine:', ':execution:')}:${name}`;
        const child = this.#begin({ arn, name, stateMachineArn, definition, input, mapRunArn, parentArn });
        return endOf(child, signal);
      },
      startMachine: async ({ stateMachineArn, name, input }: MachineChild, signal): Promise<ChildEnd> => {
        try {
          return await endOf(
            await this.start({ stateMachineArn, ...(name === undefined ? {} : { name }), input }),
            signal,
          );
        } catch (cause) {
          if (!(cause instanceof Failure) || cause instanceof StateFailed || cause instanceof WorkHalted) throw cause;
          throw new StateFailed(
            { error: `StepFunctions.${cause.name}Exception`, explanation: cause.message },
            { cause },
          );
        }
      },
    };
  }
}

/** Waits for a child; when the parent's work ends first, the child is stopped. */
async function endOf(child: Execution, signal: AbortSignal): Promise<ChildEnd> {
  const stop = (): void => {
    child.stop({ cause: 'the parent execution ended' });
  };
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop);
  try {
    await child.finished;
  } finally {
    signal.removeEventListener('abort', stop);
  }
  stopIfHalted(signal);
  return child;
}
