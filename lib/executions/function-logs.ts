/** What the functions of an installation wrote about an execution, from CloudWatch Logs. */

import {
  CloudWatchLogsClient,
  DescribeLogGroupsCommand,
  FilterLogEventsCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { WorkflowsUnreachable } from './failures.ts';
import type { ServiceAddress } from './workflow-service.ts';

/** 50 groups a page; an installation has about twenty. */
const MAX_GROUP_PAGES = 10;
/** A page of lines takes a second; whoever asks looks at a terminal meanwhile. */
const REQUEST_TIMEOUT_MS = 20_000;
/** Up to 10,000 lines a page, of each function; a page may be empty while the search goes on. */
const MAX_LINE_PAGES = 100;

export interface LinesWanted {
  /** Log groups whose names begin so: those of one stack. */
  readonly groupPrefix: string;
  /** Id of the run that a line names. */
  readonly run?: string;
  /** Steps, of an execution that is no run: whatever they wrote in its time. */
  readonly steps: readonly string[];
  readonly from: Date;
  readonly to: Date;
}

export interface LogLine {
  readonly time: Date;
  readonly text: string;
}

/** Requests fail as WorkflowsUnreachable. */
export class FunctionLogs implements Disposable {
  readonly #client: CloudWatchLogsClient;

  constructor({ region, profile }: ServiceAddress = {}) {
    this.#client = new CloudWatchLogsClient({
      ...(region === undefined ? {} : { region }),
      ...(profile === undefined ? {} : { profile }),
      requestHandler: {
        requestTimeout: REQUEST_TIMEOUT_MS,
        connectionTimeout: REQUEST_TIMEOUT_MS,
        throwOnRequestTimeout: true,
      },
    });
  }

  [Symbol.dispose](): void {
    this.#client.destroy();
  }

  /** In order of time. */
  async lines(wanted: LinesWanted): Promise<LogLine[]> {
    const found: LogLine[] = [];
    for (const group of await this.#groups(wanted.groupPrefix)) found.push(...(await this.#linesOf(group, wanted)));
    return found.toSorted((a, b) => a.time.getTime() - b.time.getTime());
  }

  async #groups(logGroupNamePrefix: string): Promise<string[]> {
    const names: string[] = [];
    let nextToken: string | undefined;
    for (let page = 0; page < MAX_GROUP_PAGES; page++) {
      const command = new DescribeLogGroupsCommand({ logGroupNamePrefix, nextToken });
      const answer = await this.#asked(`log groups ${logGroupNamePrefix}*`, () => this.#client.send(command));
      names.push(...(answer.logGroups ?? []).flatMap(({ logGroupName }) => logGroupName ?? []));
      nextToken = answer.nextToken;
      if (nextToken === undefined) break;
    }
    return names;
  }

  async #linesOf(logGroupName: string, { run, steps, from, to }: LinesWanted): Promise<LogLine[]> {
    const named = run === undefined ? steps.map((step) => `($.step = "${step}")`) : [`($.run = "${run}")`];
    const filterPattern = `{ ${named.join(' || ')} }`;
    const lines: LogLine[] = [];
    let nextToken: string | undefined;
    for (let page = 0; page < MAX_LINE_PAGES; page++) {
      const command = new FilterLogEventsCommand({
        ...{ logGroupName, filterPattern, nextToken },
        ...{ startTime: from.getTime(), endTime: to.getTime() },
      });
      const answer = await this.#asked(`lines of ${logGroupName}`, () => this.#client.send(command));
      for (const { timestamp = 0, message = '' } of answer.events ?? []) {
        lines.push({ time: new Date(timestamp), text: message.trim() });
      }
      nextToken = answer.nextToken;
      if (nextToken === undefined) return lines;
    }
    return lines;
  }

  async #asked<Answer>(what: string, request: () => Promise<Answer>): Promise<Answer> {
    try {
      return await request();
    } catch (cause) {
      const said = cause instanceof Error ? `${cause.name} (${cause.message})` : String(cause);
      throw new WorkflowsUnreachable(
        `asking CloudWatch Logs for ${what} failed with ${said}; --no-functions shows the workflow's own events alone`,
        { cause },
      );
    }
  }
}
