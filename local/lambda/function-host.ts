/** Lambda on this machine: runs bundled functions, each concurrent invocation in a process of its own. */

import { randomUUID } from 'node:crypto';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FunctionAnswer, FunctionInvoker } from '#local/states/ports.ts';
import { enforceMemory, noMemoryCap } from './memory-cap.ts';
import { MAX_PAYLOAD_BYTES } from './protocol.ts';
import { Sandbox, type SandboxAnswer } from './sandbox.ts';

/** What the host must know of a function; a cloud assembly answers it. */
export interface HostedFunction {
  readonly arn: string;
  readonly name: string;
  readonly assetDirectory: string;
  readonly handler: string;
  readonly memoryMb: number;
  readonly timeoutSeconds: number;
  readonly environment: Readonly<Record<string, string>>;
}

export interface LogLine {
  readonly functionName: string;
  /** The invocation that ran, or ran last, when the line was written. */
  readonly requestId: string;
  readonly stream: 'stdout' | 'stderr';
  readonly line: string;
}

/** What one invocation took, in the terms of the bill. */
export interface InvocationReport {
  readonly functionName: string;
  readonly requestId: string;
  readonly outcome: 'success' | 'error';
  /** Lambda's name of what went wrong. */
  readonly errorType: string | undefined;
  /** Cold start: process and code; 0 in a warm sandbox. Billed since August 2025. */
  readonly initMs: number;
  readonly durationMs: number;
  readonly billedMs: number;
  readonly gbSeconds: number;
  /** Peak of the sandbox since its start; undefined where there is no /proc or the process was killed. */
  readonly peakBytes: number | undefined;
}

export interface HostSettings {
  readonly functions: Iterable<HostedFunction>;
  /** What every function gets beside its own variables: region, credentials, endpoints. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly region?: string;
  /** Whether a function may take more memory than it has: on a laptop the figure may only be wanted in the report. */
  readonly memoryLimit?: 'enforce' | 'report';
  /** Invocations at once, over all functions; one more is throttled as in AWS. */
  readonly concurrency?: number;
  readonly onLog?: (line: LogLine) => void;
  readonly onInvocation?: (report: InvocationReport) => void;
}

/** Sixteen readers of three runs at once and everything around them; each is a Node process of 50 MB and more. */
const DEFAULT_CONCURRENCY = 64;

interface Warm {
  readonly sandbox: Sandbox;
  /** The running invocation, for log lines; the sandbox's callback reads it. */
  readonly current: { requestId: string };
}

export class FunctionHost implements FunctionInvoker {
  readonly #functions: ReadonlyMap<string, HostedFunction>;
  readonly #settings: HostSettings;
  readonly #directories = new Map<string, Promise<string>>();
  readonly #idle = new Map<string, Warm[]>();
  readonly #sandboxes = new Set<Sandbox>();
  readonly #running = new Set<Promise<unknown>>();
  #root: Promise<string> | undefined;
  #stopped = false;

  constructor(settings: HostSettings) {
    this.#settings = settings;
    const all = [...settings.functions];
    this.#functions = new Map(all.flatMap((each) => [[each.arn, each] as const, [each.name, each] as const]));
  }

  /** Runs the function, named or by ARN, with or without a version. Never rejects for what the function does. */
  async invoke(functionArn: string, payload: unknown): Promise<FunctionAnswer> {
    const hosted = this.#functions.get(functionArn) ?? this.#functions.get(functionArn.replace(/:\$LATEST$/, ''));
    const body = JSON.stringify(payload) ?? 'null';
    if (hosted === undefined) return refused('ResourceNotFoundException', `Function not found: ${functionArn}`);
    if (this.#stopped) return refused('ServiceException', 'the local Lambda host was stopped');
    if (this.#running.size >= (this.#settings.concurrency ?? DEFAULT_CONCURRENCY)) {
      return refused('TooManyRequestsException', `Rate Exceeded: ${this.#running.size} invocations are running`);
    }
    if (Buffer.byteLength(body) > MAX_PAYLOAD_BYTES) {
      return refused('RequestTooLargeException', `Request must be smaller than ${MAX_PAYLOAD_BYTES} bytes`);
    }
    const running = this.#run(hosted, body);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  /** Ends every process, waits until all are gone, and removes the copies of the code. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#sandboxes].map((sandbox) => this.#discard(sandbox)));
    await Promise.allSettled(this.#running);
    // An invocation that was just starting when the host stopped has made its sandbox meanwhile.
    await Promise.all([...this.#sandboxes].map((sandbox) => this.#discard(sandbox)));
    if (this.#root !== undefined) await rm(await this.#root, { recursive: true, force: true });
  }

  async #run(hosted: HostedFunction, body: string): Promise<FunctionAnswer> {
    const requestId = randomUUID();
    const beganMs = performance.now();
    const warm = await this.#takeIdle(hosted.name);
    const { current, sandbox } = warm ?? (await this.#newSandbox(hosted));
    current.requestId = requestId;
    const failedLoad = warm === undefined ? await sandbox.load(hosted.timeoutSeconds * 1000) : undefined;
    const initMs = warm === undefined ? performance.now() - beganMs : 0;
    const startedMs = performance.now();
    const answer: SandboxAnswer =
      failedLoad === undefined
        ? await sandbox.invoke(this.#message(hosted, requestId, body), hosted.timeoutSeconds * 1000)
        : { ...failedLoad, reusable: false };
    const durationMs = performance.now() - startedMs;
    this.#report(hosted, { requestId, answer, initMs, durationMs, peakBytes: await sandbox.peakBytes() });
    if (answer.reusable && !this.#stopped) this.#idleOf(hosted.name).push({ sandbox, current });
    else await this.#discard(sandbox);
    const { reusable: _, ...functionAnswer } = answer;
    return functionAnswer;
  }

  #message(hosted: HostedFunction, requestId: string, payload: string) {
    const { arn: functionArn, name: functionName, memoryMb, timeoutSeconds } = hosted;
    const deadlineMs = Date.now() + timeoutSeconds * 1000;
    return { kind: 'invoke', requestId, functionArn, functionName, memoryMb, deadlineMs, payload } as const;
  }

  #report(
    hosted: HostedFunction,
    taken: {
      requestId: string;
      answer: FunctionAnswer;
      initMs: number;
      durationMs: number;
      peakBytes?: number | undefined;
    },
  ): void {
    const { requestId, answer, initMs, durationMs, peakBytes } = taken;
    const billedMs = Math.ceil(initMs + durationMs);
    this.#settings.onInvocation?.({
      functionName: hosted.name,
      requestId,
      outcome: answer.kind === 'success' ? 'success' : 'error',
      errorType: answer.kind === 'error' ? answer.errorType : undefined,
      initMs,
      durationMs,
      billedMs,
      gbSeconds: (billedMs / 1000) * (hosted.memoryMb / 1024),
      peakBytes,
    });
  }

  #idleOf(functionName: string): Warm[] {
    const idle = this.#idle.get(functionName) ?? [];
    this.#idle.set(functionName, idle);
    return idle;
  }

  /** A warm sandbox; those that died while they were idle (a late stray rejection) are cleared away. */
  async #takeIdle(functionName: string): Promise<Warm | undefined> {
    const idle = this.#idleOf(functionName);
    for (let warm = idle.pop(); warm !== undefined; warm = idle.pop()) {
      if (warm.sandbox.alive) return warm;
      await this.#discard(warm.sandbox);
    }
    return undefined;
  }

  async #newSandbox(hosted: HostedFunction): Promise<Warm> {
    const directory = await this.#directoryOf(hosted);
    const cap = this.#settings.memoryLimit === 'enforce' ? await enforceMemory(hosted.memoryMb) : noMemoryCap;
    const current: Warm['current'] = { requestId: '' };
    const sandbox = new Sandbox({
      directory: join(directory, 'task'),
      handler: hosted.handler,
      memoryMb: hosted.memoryMb,
      environment: this.#environmentOf(hosted, directory),
      cap,
      onLine: (stream, line) => {
        this.#settings.onLog?.({ functionName: hosted.name, requestId: current.requestId, stream, line });
      },
    });
    this.#sandboxes.add(sandbox);
    return { sandbox, current };
  }

  async #discard(sandbox: Sandbox): Promise<void> {
    this.#sandboxes.delete(sandbox);
    await sandbox.end();
  }

  /** A copy of the code outside of any project: beside a package.json Node would read the bundle by its rules. */
  #directoryOf(hosted: HostedFunction): Promise<string> {
    const known = this.#directories.get(hosted.name) ?? this.#copyCode(hosted);
    this.#directories.set(hosted.name, known);
    return known;
  }

  async #copyCode(hosted: HostedFunction): Promise<string> {
    this.#root ??= mkdtemp(join(tmpdir(), 'blockferry-lambda-'));
    const directory = join(await this.#root, hosted.name);
    await cp(hosted.assetDirectory, join(directory, 'task'), { recursive: true });
    await mkdir(join(directory, 'tmp'));
    return directory;
  }

  /** Nothing of this process's own environment: a function that needs more than Lambda gives must fail here too. */
  #environmentOf(hosted: HostedFunction, directory: string): Readonly<Record<string, string>> {
    const region = this.#settings.region ?? 'us-east-1';
    return {
      PATH: '/usr/local/bin:/usr/bin:/bin',
      LANG: 'en_US.UTF-8',
      TZ: ':UTC',
      TMPDIR: join(directory, 'tmp'),
      AWS_REGION: region,
      AWS_DEFAULT_REGION: region,
      AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
      AWS_LAMBDA_FUNCTION_NAME: hosted.name,
      AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(hosted.memoryMb),
      AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${hosted.name}`,
      AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
      LAMBDA_TASK_ROOT: join(directory, 'task'),
      _HANDLER: hosted.handler,
      ...this.#settings.environment,
      ...hosted.environment,
    };
  }
}

function refused(name: string, message: string): FunctionAnswer {
  return { kind: 'refused', name, message };
}
