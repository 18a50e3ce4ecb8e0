/** Executions as Step Functions knows them. */

import { DescribeExecutionCommand, ExecutionDoesNotExist, SFNClient } from '@aws-sdk/client-sfn';
import type { Executions } from './executions.ts';
import { ExecutionLookupDenied, ExecutionLookupUnavailable } from './failures.ts';

/** The SDK's own attempts at one question; the step's Retry goes on after that. */
const MAX_ATTEMPTS = 4;
/** A describe call takes milliseconds; ten seconds without an answer is a broken path, most often a missing route. */
const REQUEST_TIMEOUT_MS = 10_000;

/** Asks Step Functions of the region and the credentials that the environment gives, or of AWS_ENDPOINT_URL_SFN. */
export function stepFunctionsExecutions(
  client: SFNClient = new SFNClient({
    maxAttempts: MAX_ATTEMPTS,
    requestHandler: {
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionTimeout: REQUEST_TIMEOUT_MS,
      throwOnRequestTimeout: true,
    },
  }),
): Executions {
  return {
    async isRunning(execution, { signal } = {}) {
      // Metadata only: the answer then holds no input, and a state machine with its own key needs no decryption.
      const command = new DescribeExecutionCommand({ executionArn: execution, includedData: 'METADATA_ONLY' });
      try {
        const { status } = await client.send(command, { abortSignal: signal });
        return statusIsAlive(execution, status);
      } catch (cause) {
        if (cause instanceof ExecutionDoesNotExist) return false;
        throw lookupFailure(execution, cause);
      }
    },
  };
}

/** PENDING_REDRIVE counts as alive: such an execution goes on with its old input when its redrive begins. */
function statusIsAlive(execution: string, status: string | undefined): boolean {
  switch (status) {
    case 'RUNNING':
    case 'PENDING_REDRIVE':
      return true;
    case 'SUCCEEDED':
    case 'FAILED':
    case 'TIMED_OUT':
    case 'ABORTED':
      return false;
    default:
      throw new ExecutionLookupDenied(
        `DescribeExecution of ${execution} answered the status ${JSON.stringify(status)}, which this version does not know; update Blockferry`,
      );
  }
}

const RETRYABLE: ReadonlySet<string> = new Set(['TimeoutError', 'ThrottlingException', 'TooManyRequestsException']);

/** Unless it is known to pass, a failure is one that somebody has to repair. */
function lookupFailure(execution: string, cause: unknown): Error {
  if (cause instanceof ExecutionLookupDenied || isAbort(cause)) return cause;
  const name = cause instanceof Error ? cause.name : 'an unknown error';
  const tried = `DescribeExecution of ${execution} failed with ${name}`;
  if (mayPass(cause)) {
    return new ExecutionLookupUnavailable(`${tried}; Step Functions cannot be reached or is overloaded`, { cause });
  }
  return new ExecutionLookupDenied(`${tried}; the function's role needs states:DescribeExecution on it`, { cause });
}

function isAbort(cause: unknown): cause is Error {
  return cause instanceof Error && cause.name === 'AbortError';
}

/** System errors carry a code (`ECONNREFUSED`); the service marks its own faults. */
function mayPass(cause: unknown): boolean {
  if (!(cause instanceof Error)) return false;
  if (RETRYABLE.has(cause.name)) return true;
  if ('code' in cause && typeof cause.code === 'string' && /^E[A-Z_]+$/.test(cause.code)) return true;
  return '$fault' in cause && cause.$fault === 'server';
}
