/** The deployed workflows as a person sees them: start one, see how far it is, read what happened. */

import {
  DescribeExecutionCommand,
  DescribeMapRunCommand,
  GetExecutionHistoryCommand,
  type HistoryEvent,
  ListExecutionsCommand,
  ListMapRunsCommand,
  ListStateMachinesCommand,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';
import { ExecutionUnknown, WorkflowsUnreachable } from './failures.ts';

/** 1,000 state machines a page; an account has at most 100,000. */
const MAX_MACHINE_PAGES = 100;
/** A page of executions takes a second; whoever asks looks at a terminal meanwhile. */
const REQUEST_TIMEOUT_MS = 20_000;
/** Executions that an overview shows of each workflow. */
const RECENT_EXECUTIONS = 10;
/** 1,000 events a page, and Step Functions ends an execution at 25,000 events. */
const MAX_HISTORY_PAGES = 25;

export interface ServiceAddress {
  readonly region?: string;
  readonly profile?: string;
}

export interface ExecutionSummary {
  readonly arn: string;
  readonly status: string;
  readonly started: Date | undefined;
  readonly stopped: Date | undefined;
}

export interface ExecutionReport extends ExecutionSummary {
  readonly input: string | undefined;
  readonly output: string | undefined;
  readonly error: string | undefined;
  readonly cause: string | undefined;
}

/** Of the newest map of an execution: shards of a run. */
export interface MapProgress {
  readonly total: number;
  readonly succeeded: number;
  readonly running: number;
  readonly failed: number;
}

/** Where an execution is: the state that it entered last, and the VMs of a fleet or the disks of a restore. */
export interface Position {
  readonly step: string;
  readonly vms: { readonly selected: number; readonly ended: number; readonly failed: number } | undefined;
  readonly disks: { readonly selected: number; readonly ended: number } | undefined;
}

/** The state of a fleet run in which a VM's failure is noted. */
const VM_FAILED = 'vm-failed';
/** The map of a restore. */
const RESTORE_DISKS = 'restore-disks';

/** Requests fail as WorkflowsUnreachable, or as ExecutionUnknown where the execution does not exist. */
export class WorkflowService implements Disposable {
  readonly #client: SFNClient;

  constructor({ region, profile }: ServiceAddress = {}) {
    this.#client = new SFNClient({
      ...(region === undefined ? {} : { region }),
      ...(profile === undefined ? {} : { profile }),
      requestHandler: {
        requestTimeout: REQUEST_TIMEOUT_MS,
        connectionTimeout: REQUEST_TIMEOUT_MS,
        // Without this a late answer is only logged, and waited for without end.
        throwOnRequestTimeout: true,
      },
    });
  }

  [Symbol.dispose](): void {
    this.#client.destroy();
  }

  async machineArn(name: string): Promise<string> {
    const [arn] = await this.machineArns([name]);
    if (arn !== undefined) return arn;
    throw new ExecutionUnknown(
      `there is no workflow ${name} in this account and region; deploy first, or name --installation and --region`,
    );
  }

  /** Of those that exist among `names`, in their order. */
  async machineArns(names: readonly string[]): Promise<string[]> {
    const found = new Map<string, string>();
    let nextToken: string | undefined;
    for (let page = 0; page < MAX_MACHINE_PAGES && found.size < names.length; page++) {
      const command = new ListStateMachinesCommand({ maxResults: 1_000, nextToken });
      const answer = await this.#asked(`the workflows ${names.join(', ')}`, () => this.#client.send(command));
      for (const { name = '', stateMachineArn = '' } of answer.stateMachines ?? []) {
        if (names.includes(name)) found.set(name, stateMachineArn);
      }
      nextToken = answer.nextToken;
      if (nextToken === undefined) break;
    }
    return names.flatMap((name) => found.get(name) ?? []);
  }

  /** Answers with the ARN of the new execution. */
  async start(stateMachineArn: string, input: object): Promise<string> {
    const command = new StartExecutionCommand({ stateMachineArn, input: JSON.stringify(input) });
    const { executionArn } = await this.#asked(stateMachineArn, () => this.#client.send(command));
    if (executionArn === undefined) throw new WorkflowsUnreachable(`${stateMachineArn} was started without an answer`);
    return executionArn;
  }

  async describe(executionArn: string): Promise<ExecutionReport> {
    const command = new DescribeExecutionCommand({ executionArn });
    const found = await this.#asked(executionArn, () => this.#client.send(command));
    return {
      arn: executionArn,
      status: found.status ?? 'UNKNOWN',
      started: found.startDate,
      stopped: found.stopDate,
      input: found.input,
      output: found.output,
      error: found.error,
      cause: found.cause,
    };
  }

  /** Undefined while no map has begun. */
  async mapProgress(executionArn: string): Promise<MapProgress | undefined> {
    const runs = await this.#asked(executionArn, () => this.#client.send(new ListMapRunsCommand({ executionArn })));
    const mapRunArn = runs.mapRuns?.[0]?.mapRunArn;
    if (mapRunArn === undefined) return undefined;
    const { itemCounts } = await this.#asked(mapRunArn, () =>
      this.#client.send(new DescribeMapRunCommand({ mapRunArn })),
    );
    if (itemCounts === undefined) return undefined;
    const { total = 0, succeeded = 0, running = 0, failed = 0 } = itemCounts;
    return { total, succeeded, running, failed };
  }

  /** The newest executions, newest first. */
  async recent(stateMachineArn: string): Promise<ExecutionSummary[]> {
    const command = new ListExecutionsCommand({ stateMachineArn, maxResults: RECENT_EXECUTIONS });
    const { executions = [] } = await this.#asked(stateMachineArn, () => this.#client.send(command));
    return executions.map(({ executionArn = '', status = 'UNKNOWN', startDate, stopDate }) => ({
      arn: executionArn,
      status,
      started: startDate,
      stopped: stopDate,
    }));
  }

  /** Every event from the first. */
  async *history(executionArn: string): AsyncGenerator<HistoryEvent> {
    let nextToken: string | undefined;
    for (let page = 0; page < MAX_HISTORY_PAGES; page++) {
      const command = new GetExecutionHistoryCommand({ executionArn, maxResults: 1_000, nextToken });
      const answer = await this.#asked(executionArn, () => this.#client.send(command));
      yield* answer.events ?? [];
      nextToken = answer.nextToken;
      if (nextToken === undefined) return;
    }
  }

  /** From the history, which a fleet run writes for each of its VMs and a restore for each of its disks. */
  async position(executionArn: string): Promise<Position> {
    let step = '';
    let selected: number | undefined;
    let ofDisks = false;
    let [ended, failed] = [0, 0];
    for await (const event of this.history(executionArn)) {
      step = event.stateEnteredEventDetails?.name ?? step;
      ofDisks ||= step === RESTORE_DISKS;
      selected = event.mapStateStartedEventDetails?.length ?? selected;
      if (event.type === 'MapIterationSucceeded') ended += 1;
      if (event.stateEnteredEventDetails?.name === VM_FAILED) failed += 1;
    }
    if (selected === undefined) return { step, vms: undefined, disks: undefined };
    return ofDisks
      ? { step, vms: undefined, disks: { selected, ended } }
      : { step, vms: { selected, ended, failed }, disks: undefined };
  }

  async #asked<Answer>(what: string, request: () => Promise<Answer>): Promise<Answer> {
    try {
      return await request();
    } catch (cause) {
      const name = cause instanceof Error ? cause.name : 'an unknown error';
      if (name === 'ExecutionDoesNotExist' || name === 'InvalidArn') {
        throw new ExecutionUnknown(
          `Step Functions does not know ${what}; it forgets executions 90 days after their end`,
          { cause },
        );
      }
      const said = cause instanceof Error ? cause.message : String(cause);
      throw new WorkflowsUnreachable(
        `asking Step Functions for ${what} failed with ${name} (${said}); check region, profile and permissions`,
        { cause },
      );
    }
  }
}
