/**
 * The program inside a sandbox: loads one bundle and calls its handler once per message. It imports nothing but Node,
 * because every import is cold start that the real function does not have.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { InvokeMessage, LoadMessage, SandboxMessage } from './protocol.ts';

type Handler = (event: unknown, context: unknown) => unknown;

/** Exit codes of Lambda's own runtime client for errors that nobody caught. */
const EXIT_UNHANDLED_REJECTION = 128;
const EXIT_UNCAUGHT_EXCEPTION = 129;
const EXTENSIONS = ['mjs', 'js', 'cjs'];

let handler: Handler | undefined;

function send(message: SandboxMessage, sent: () => void = () => undefined): void {
  process.send?.(message, undefined, {}, sent);
}

function failure(thrown: unknown): { errorType: string; errorMessage: string; trace: string[] } {
  if (!(thrown instanceof Error)) return { errorType: typeof thrown, errorMessage: String(thrown), trace: [] };
  return { errorType: thrown.name, errorMessage: thrown.message, trace: (thrown.stack ?? '').split('\n') };
}

function loadFailure(errorType: string, thrown: unknown): SandboxMessage {
  return { kind: 'failed', ...failure(thrown), errorType, fatal: true };
}

async function load({ directory, handler: name }: LoadMessage): Promise<void> {
  const [file = '', exportName = ''] = name.split(/\.(?=[^.]+$)/);
  const path = EXTENSIONS.map((extension) => join(directory, `${file}.${extension}`)).find((each) => existsSync(each));
  if (path === undefined) {
    send(loadFailure('Runtime.ImportModuleError', new Error(`Cannot find module '${file}' in ${directory}`)));
    return;
  }
  try {
    const loaded: Record<string, unknown> = await import(pathToFileURL(path).href);
    const candidate = loaded[exportName] ?? memberOf(loaded['default'], exportName);
    if (!isHandler(candidate)) {
      send(loadFailure('Runtime.HandlerNotFound', new Error(`${name} is undefined or not exported`)));
      return;
    }
    handler = candidate;
    send({ kind: 'loaded' });
  } catch (error) {
    const syntax = error instanceof SyntaxError;
    send(loadFailure(syntax ? 'Runtime.UserCodeSyntaxError' : 'Runtime.ImportModuleError', error));
  }
}

/** A CommonJS bundle arrives as the default export of a module. */
function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? new Map(Object.entries(value)).get(name) : undefined;
}

function isHandler(value: unknown): value is Handler {
  return typeof value === 'function';
}

function contextOf(message: InvokeMessage): Readonly<Record<string, unknown>> {
  const { functionName, functionArn, memoryMb, requestId, deadlineMs } = message;
  return {
    functionName,
    functionVersion: '$LATEST',
    invokedFunctionArn: functionArn,
    memoryLimitInMB: String(memoryMb),
    awsRequestId: requestId,
    logGroupName: `/aws/lambda/${functionName}`,
    logStreamName: `local/${process.pid}`,
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, deadlineMs - Date.now()),
  };
}

async function invoke(message: InvokeMessage): Promise<void> {
  try {
    const result = await handler?.(JSON.parse(message.payload), contextOf(message));
    send({ kind: 'answered', payload: JSON.stringify(result) ?? 'null' });
  } catch (error) {
    send({ kind: 'failed', ...failure(error), fatal: false });
  }
}

process.on('unhandledRejection', (reason) => {
  const message = { kind: 'failed', ...failure(reason), errorType: 'Runtime.UnhandledPromiseRejection' } as const;
  send({ ...message, fatal: true }, () => process.exit(EXIT_UNHANDLED_REJECTION));
});
process.on('uncaughtException', (error) => {
  send({ kind: 'failed', ...failure(error), fatal: true }, () => process.exit(EXIT_UNCAUGHT_EXCEPTION));
});
process.on('message', (message: LoadMessage | InvokeMessage) => {
  void (message.kind === 'load' ? load(message) : invoke(message));
});
// Without its host nobody would ever end this process.
process.on('disconnect', () => process.exit(0));
